package mech

import (
	"crypto/ed25519"
	"fmt"

	"filippo.io/mldsa"
)

// signEdDSA follows RFC 8032, section 5.1.6: the message itself is signed.
func signEdDSA(k *Key, t task, _ Entropy) ([]byte, error) {
	private, err := privateAs[ed25519.PrivateKey](k, t.m.Type)
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(private, t.input), nil
}

func verifyEdDSA(k *Key, t task, sig []byte) error {
	public, err := publicAs[ed25519.PublicKey](k, t.m.Type)
	if err != nil {
		return err
	}
	if len(sig) != ed25519.SignatureSize {
		return signatureLength(ed25519.SignatureSize)
	}
	return verdict(ed25519.Verify(public, t.input, sig))
}

// signMLDSA follows FIPS 204, section 5.2, with a context of up to 255 bytes:
// the hedged variant, on a device with a seed the deterministic one.
func signMLDSA(k *Key, t task, entropy Entropy) ([]byte, error) {
	private, err := privateAs[*mldsa.PrivateKey](k, t.m.Type)
	if err != nil {
		return nil, err
	}
	context, err := mldsaContext(t)
	if err != nil {
		return nil, err
	}
	var sig []byte
	if entropy.Seeded {
		sig, err = private.SignDeterministic(t.input, context)
	} else {
		sig, err = private.Sign(nil, t.input, context)
	}
	if err != nil {
		return nil, failed(err, "the signature could not be made")
	}
	return sig, nil
}

func verifyMLDSA(k *Key, t task, sig []byte) error {
	public, err := publicAs[*mldsa.PublicKey](k, t.m.Type)
	if err != nil {
		return err
	}
	context, err := mldsaContext(t)
	if err != nil {
		return err
	}
	if size := public.Parameters().SignatureSize(); len(sig) != size {
		return signatureLength(size)
	}
	return verdict(mldsa.Verify(public, t.input, sig, context) == nil)
}

func mldsaContext(t task) (*mldsa.Options, error) {
	if len(t.m.Info) > 255 {
		return nil, badParam(fmt.Sprintf("a context of %d bytes", len(t.m.Info)), "use up to 255")
	}
	return &mldsa.Options{Context: string(t.m.Info)}, nil
}
