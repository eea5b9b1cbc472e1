package mech

import (
	"crypto"
	_ "crypto/sha256" // registers SHA-224 and SHA-256
	_ "crypto/sha512" // registers SHA-384 and SHA-512
	"fmt"

	"usbhsm7/firmware/command"
)

// MaxData bounds the input of one operation in bytes, so that input plus
// signature, tag or padding always fits a message of 16 MiB.
const MaxData = 16<<20 - 1024

// scheme is the algorithm behind a signature mechanism.
type scheme uint8

const (
	schemePKCS1 scheme = iota + 1
	schemePSS
	schemeECDSA
	schemeHMAC
)

// signature is what a mechanism of UseSign and UseVerify does: hash 0 means
// that the host sends what is to be signed, already hashed.
type signature struct {
	scheme scheme
	hash   crypto.Hash
}

var signatures = map[command.MechanismType]signature{
	command.MechRSAPKCS:          {schemePKCS1, 0},
	command.MechSHA256RSAPKCS:    {schemePKCS1, crypto.SHA256},
	command.MechSHA384RSAPKCS:    {schemePKCS1, crypto.SHA384},
	command.MechSHA512RSAPKCS:    {schemePKCS1, crypto.SHA512},
	command.MechRSAPKCSPSS:       {schemePSS, 0},
	command.MechSHA256RSAPKCSPSS: {schemePSS, crypto.SHA256},
	command.MechSHA384RSAPKCSPSS: {schemePSS, crypto.SHA384},
	command.MechSHA512RSAPKCSPSS: {schemePSS, crypto.SHA512},
	command.MechECDSA:            {schemeECDSA, 0},
	command.MechECDSASHA256:      {schemeECDSA, crypto.SHA256},
	command.MechECDSASHA384:      {schemeECDSA, crypto.SHA384},
	command.MechECDSASHA512:      {schemeECDSA, crypto.SHA512},
	command.MechSHA256HMAC:       {schemeHMAC, crypto.SHA256},
	command.MechSHA384HMAC:       {schemeHMAC, crypto.SHA384},
	command.MechSHA512HMAC:       {schemeHMAC, crypto.SHA512},
}

var hashes = map[command.MechanismType]crypto.Hash{
	command.MechSHA224: crypto.SHA224,
	command.MechSHA256: crypto.SHA256,
	command.MechSHA384: crypto.SHA384,
	command.MechSHA512: crypto.SHA512,
}

// cipherMode is what a mechanism of UseEncrypt and UseDecrypt does.
type cipherMode uint8

const (
	modeCBC cipherMode = iota + 1
	modeCBCPad
	modeGCM
)

var ciphers = map[command.MechanismType]cipherMode{
	command.MechAESCBC:    modeCBC,
	command.MechAESCBCPad: modeCBCPad,
	command.MechAESGCM:    modeGCM,
}

// Digest hashes data.
func Digest(m *command.Mechanism, data []byte) ([]byte, error) {
	hash, ok := hashes[m.Type]
	if !ok {
		return nil, notFor(m.Type, "digests")
	}
	if err := NoParameters(m); err != nil {
		return nil, err
	}
	if err := checkLength(data); err != nil {
		return nil, err
	}
	return sum(hash, data), nil
}

func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// params is a set of the parameters that a mechanism takes.
type params uint8

const (
	paramIV params = 1 << iota
	paramAAD
	paramTagBits
	paramHash
	paramSalt
)

// NoParameters refuses a mechanism that carries parameters.
func NoParameters(m *command.Mechanism) error { return onlyParams(m, 0) }

// onlyParams refuses a mechanism that carries other parameters than allowed.
func onlyParams(m *command.Mechanism, allowed params) error {
	given := when(m.IV != nil, paramIV) | when(m.AAD != nil, paramAAD) | when(m.TagBits != 0, paramTagBits) |
		when(m.Hash != 0, paramHash) | when(m.SaltLength != nil, paramSalt)
	if given&^allowed != 0 {
		return command.StatusMechanismParamInvalid.With(fmt.Sprintf("%s does not take one of the parameters given", m.Type), "")
	}
	return nil
}

func when(present bool, p params) params {
	if present {
		return p
	}
	return 0
}

func notFor(t command.MechanismType, use string) error {
	return command.StatusMechanismInvalid.With(fmt.Sprintf("%s is not a mechanism for %s", t, use), "")
}

func wrongKey(t command.MechanismType) error {
	return command.StatusKeyTypeInconsistent.With(fmt.Sprintf("%s does not work with a key of this type", t), "")
}

func checkLength(data []byte) error {
	if len(data) > MaxData {
		return command.StatusDataLenRange.With(fmt.Sprintf("more than %d bytes of data in one operation", MaxData), "")
	}
	return nil
}
