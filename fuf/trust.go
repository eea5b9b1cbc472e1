package fuf

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"filippo.io/mldsa"
)

// Trust is what a verifier accepts. It is built into a device, or read from a file
// on a host; no update file changes it.
type Trust struct {
	Signers   []Signer // whose signatures count
	Threshold int      // how many of them must have signed; less than 1 is 1
	Log       *LogPolicy
}

// Signer is who may sign update files: always with both keys.
type Signer struct {
	Name    string
	Ed25519 ed25519.PublicKey
	MLDSA65 *mldsa.PublicKey
}

// verifier is one key of a signer.
type verifier struct {
	signer int
	verify func(message, signature []byte) bool
}

// verifiers returns the keys by the headers of their signatures.
func (t Trust) verifiers() map[signHeader]verifier {
	keys := make(map[signHeader]verifier, 2*len(t.Signers))
	for i, s := range t.Signers {
		keys[signHeader{algEdDSA, keyID(s.Ed25519)}] = verifier{i, func(message, signature []byte) bool {
			return len(s.Ed25519) == ed25519.PublicKeySize && ed25519.Verify(s.Ed25519, message, signature)
		}}
		if s.MLDSA65 == nil {
			continue
		}
		keys[signHeader{algMLDSA65, keyID(s.MLDSA65.Bytes())}] = verifier{i, func(message, signature []byte) bool {
			return mldsa.Verify(s.MLDSA65, message, signature, nil) == nil
		}}
	}
	return keys
}

// check verifies every signature of the signed part: all must be by trusted keys
// and right, and enough signers must have signed with both keys.
func (t Trust) check(s *signed) error {
	keys := t.verifiers()
	signatures := make([]int, len(t.Signers))
	for _, sig := range s.Signatures {
		h, err := sig.header()
		if err != nil {
			return err
		}
		key, ok := keys[h]
		if !ok {
			return fmt.Errorf("%w: key %s", ErrSigner, h.Key)
		}
		message, err := toBeSigned(s.Manifest, h)
		if err != nil {
			return err
		}
		if !key.verify(message, sig.Value) {
			return fmt.Errorf("%w: by key %s of %s", ErrSignature, h.Key, t.Signers[key.signer].Name)
		}
		signatures[key.signer]++
	}
	complete := 0
	for _, n := range signatures {
		if n == 2 {
			complete++
		}
	}
	if need := max(t.Threshold, 1); complete < need {
		return fmt.Errorf("%w: %d of %d", ErrUnsigned, complete, need)
	}
	return nil
}

// keyID names a key by its encoding.
func keyID(public []byte) KeyID {
	sum := sha256.Sum256(public)
	return KeyID(sum[:len(KeyID{})])
}

// signerHeader returns the header of a signature by a key of one of the two types
// that sign files.
func signerHeader(public crypto.PublicKey) (signHeader, error) {
	switch key := public.(type) {
	case ed25519.PublicKey:
		return signHeader{algEdDSA, keyID(key)}, nil
	case *mldsa.PublicKey:
		if key.Parameters() == mldsa.MLDSA65() {
			return signHeader{algMLDSA65, keyID(key.Bytes())}, nil
		}
	}
	return signHeader{}, fmt.Errorf("a key of type %T does not sign update files: Ed25519 and ML-DSA-65 do", public)
}
