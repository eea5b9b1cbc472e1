package mech

import (
	"crypto"
	_ "crypto/sha1"   // registers SHA-1
	_ "crypto/sha256" // registers SHA-224 and SHA-256
	_ "crypto/sha3"   // registers SHA3-224 to SHA3-512
	_ "crypto/sha512" // registers SHA-384 and SHA-512
	"fmt"
	"hash"

	"usbhsm7/firmware/command"
)

// hashes are the hash functions by the mechanism that is one.
var hashes = map[command.MechanismType]crypto.Hash{
	command.MechSHA1:    crypto.SHA1,
	command.MechSHA224:  crypto.SHA224,
	command.MechSHA256:  crypto.SHA256,
	command.MechSHA384:  crypto.SHA384,
	command.MechSHA512:  crypto.SHA512,
	command.MechSHA3224: crypto.SHA3_224,
	command.MechSHA3256: crypto.SHA3_256,
	command.MechSHA3384: crypto.SHA3_384,
	command.MechSHA3512: crypto.SHA3_512,
}

// Digest hashes data.
func Digest(m *command.Mechanism, data []byte) ([]byte, error) {
	h, err := newDigest(m)
	if err != nil {
		return nil, err
	}
	if err := checkLength(data); err != nil {
		return nil, err
	}
	h.Write(data)
	return h.Sum(nil), nil
}

func newDigest(m *command.Mechanism) (hash.Hash, error) {
	h, ok := hashes[m.Type]
	if !ok {
		return nil, notFor(m.Type, "digests")
	}
	if err := NoParameters(m); err != nil {
		return nil, err
	}
	return h.New(), nil
}

func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// hashParam returns the hash that a parameter names.
func hashParam(m *command.Mechanism, named command.MechanismType) (crypto.Hash, error) {
	h, ok := hashes[named]
	if !ok {
		return 0, badParam(fmt.Sprintf("%s needs to know a hash function", m.Type), "set hash to SHA256, SHA384 or SHA512")
	}
	return h, nil
}
