package mech

import (
	"crypto"
	"crypto/rsa"
	"fmt"
	"io"

	"usbhsm7/firmware/command"
)

// signPSS follows RFC 8017, section 8.1.1; MGF1 uses the same hash.
func signPSS(k *Key, m *command.Mechanism, hash crypto.Hash, data []byte, entropy io.Reader) ([]byte, error) {
	if k.rsaPrivate == nil {
		return nil, wrongKey(m.Type)
	}
	digest, opts, err := pssOptions(m, hash, data, k.rsaPrivate.Size())
	if err != nil {
		return nil, err
	}
	sig, err := rsa.SignPSS(entropy, k.rsaPrivate, opts.Hash, digest, opts)
	if err != nil {
		return nil, signFailed(err)
	}
	return sig, nil
}

func verifyPSS(k *Key, m *command.Mechanism, hash crypto.Hash, data, sig []byte) error {
	if k.rsaPublic == nil {
		return wrongKey(m.Type)
	}
	size := k.rsaPublic.Size()
	digest, opts, err := pssOptions(m, hash, data, size)
	if err != nil {
		return err
	}
	if len(sig) != size {
		return signatureLength(size)
	}
	return verdict(rsa.VerifyPSS(k.rsaPublic, opts.Hash, digest, sig, opts) == nil)
}

// pssOptions settles hash and salt length of a PSS mechanism. The combined
// mechanisms name their hash themselves, the bare one in its parameters.
func pssOptions(m *command.Mechanism, hash crypto.Hash, data []byte, size int) ([]byte, *rsa.PSSOptions, error) {
	digest := data
	if named, ok := hashes[m.Hash]; hash == 0 {
		if !ok || named == crypto.SHA224 {
			return nil, nil, badParam("RSA_PKCS_PSS needs to know the hash", "set hash to SHA256, SHA384 or SHA512")
		}
		if hash = named; len(data) != hash.Size() {
			return nil, nil, command.StatusDataLenRange.With(fmt.Sprintf("a %s hash has %d bytes", m.Hash, hash.Size()), "")
		}
	} else {
		if m.Hash != 0 && named != hash {
			return nil, nil, badParam("the mechanism names one hash and its parameters another", "")
		}
		digest = sum(hash, data)
	}
	salt, err := saltLength(m, hash, size)
	if err != nil {
		return nil, nil, err
	}
	return digest, &rsa.PSSOptions{SaltLength: salt, Hash: hash}, nil
}

// saltLength is what was asked for or the length of the hash. Go reads 0 as
// "any", so an empty salt is refused rather than misunderstood.
func saltLength(m *command.Mechanism, hash crypto.Hash, size int) (int, error) {
	if m.SaltLength == nil {
		return hash.Size(), nil
	}
	if longest := size - hash.Size() - 2; *m.SaltLength == 0 || *m.SaltLength > uint(longest) {
		return 0, badParam(fmt.Sprintf("the salt of this key has 1 to %d bytes", longest), "")
	}
	return int(*m.SaltLength), nil
}

func badParam(cause, hint string) error {
	return command.StatusMechanismParamInvalid.With(cause, hint)
}
