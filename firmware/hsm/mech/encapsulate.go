package mech

import (
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"

	"usbhsm7/firmware/command"
)

// Encapsulate makes a shared secret of 32 bytes and the ciphertext from which
// the holder of the private key gets it (FIPS 203, section 7.2).
func Encapsulate(k *Key, m *command.Mechanism, entropy Entropy) (ciphertext, secret []byte, err error) {
	if err := encapsulates(m); err != nil {
		return nil, nil, err
	}
	switch public := k.public.(type) {
	case *mlkem.EncapsulationKey768:
		if !entropy.Seeded {
			secret, ciphertext = public.Encapsulate()
			return ciphertext, secret, nil
		}
		return encapsulateSeeded(public, mlkemtest.Encapsulate768, entropy)
	case *mlkem.EncapsulationKey1024:
		if !entropy.Seeded {
			secret, ciphertext = public.Encapsulate()
			return ciphertext, secret, nil
		}
		return encapsulateSeeded(public, mlkemtest.Encapsulate1024, entropy)
	}
	return nil, nil, wrongKey(m.Type)
}

// encapsulateSeeded takes the randomness of FIPS 203, section 6.2, from entropy.
func encapsulateSeeded[K any](k K, do func(K, []byte) (secret, ciphertext []byte, err error), entropy Entropy) (ciphertext, secret []byte, err error) {
	random, err := Random(32, entropy.Reader)
	if err != nil {
		return nil, nil, err
	}
	if secret, ciphertext, err = do(k, random); err != nil {
		return nil, nil, failed(err, "the secret could not be encapsulated")
	}
	return ciphertext, secret, nil
}

// Decapsulate returns the shared secret. A ciphertext that nobody made with the
// public key gives a secret that nobody else has (FIPS 203, section 7.3); one of
// another length is StatusEncryptedDataLenRange.
func Decapsulate(k *Key, m *command.Mechanism, ciphertext []byte) ([]byte, error) {
	if err := encapsulates(m); err != nil {
		return nil, err
	}
	private, ok := k.private.(interface{ Decapsulate([]byte) ([]byte, error) })
	if !ok {
		return nil, wrongKey(m.Type)
	}
	secret, err := private.Decapsulate(ciphertext)
	if err != nil {
		return nil, badCiphertextLength("a ciphertext of this key has another length")
	}
	return secret, nil
}

func encapsulates(m *command.Mechanism) error {
	if m.Type != command.MechMLKEM {
		return notFor(m.Type, "encapsulation")
	}
	return NoParameters(m)
}
