package mech

import (
	"crypto"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"encoding/binary"
	"fmt"
	"hash"

	"usbhsm7/firmware/command"
)

// MaxDerived bounds a derived secret in bytes.
const MaxDerived = 512

// derivation makes length bytes out of a base key; 0 means as many as there are.
type derivation struct {
	derive func(base *Key, m *command.Mechanism, length int) ([]byte, error)
	takes  params
}

var derivations = map[command.MechanismType]derivation{
	command.MechECDH1Derive:         {deriveECDH, paramHash | paramPublicData | paramInfo},
	command.MechECDH1CofactorDerive: {deriveECDH, paramHash | paramPublicData | paramInfo},
	command.MechHKDFDerive:          {deriveHKDF, paramHash | paramSalt | paramInfo | paramSteps},
	command.MechSP800108Counter:     {deriveCounter, paramHash | paramCounterBits | paramInfo},
	command.MechLunaNISTPRFKDF:      {deriveLuna, paramHash | paramLabel | paramInfo},
}

// Derive makes the value of a new secret key of length bytes. Length 0 is
// possible where the mechanism knows one itself: ECDH without a hash, and HKDF
// without its second step. Errors carry StatusKeySizeRange if the mechanism
// cannot make as much.
func Derive(base *Key, m *command.Mechanism, length int) ([]byte, error) {
	d, ok := derivations[m.Type]
	if !ok {
		return nil, notFor(m.Type, "derivation")
	}
	if err := onlyParams(m, d.takes); err != nil {
		return nil, err
	}
	if length < 0 || length > MaxDerived {
		return nil, keySize(fmt.Sprintf("a derived key of %d bytes", length), fmt.Sprintf("up to %d are possible", MaxDerived))
	}
	return d.derive(base, m, length)
}

func keySize(cause, hint string) error { return command.StatusKeySizeRange.With(cause, hint) }

// lengthKnown refuses a length of 0 where the mechanism has none of its own.
func lengthKnown(m *command.Mechanism, length int) error {
	if length == 0 {
		return command.StatusTemplateIncomplete.With(fmt.Sprintf("%s makes as much as it is asked for", m.Type), "set value-len")
	}
	return nil
}

// deriveHKDF follows RFC 5869; an absent salt means one of zeros.
func deriveHKDF(base *Key, m *command.Mechanism, length int) ([]byte, error) {
	if base.secret == nil {
		return nil, wrongKey(m.Type)
	}
	h, err := hashParam(m, m.Hash)
	if err != nil {
		return nil, err
	}
	secret := base.secret
	if m.Extract {
		if secret, err = hkdf.Extract(h.New, secret, m.Salt); err != nil {
			return nil, failed(err, "the key could not be derived")
		}
	}
	switch {
	case m.Expand:
		return expandHKDF(h, secret, m, length)
	case !m.Extract:
		return nil, badParam("HKDF needs to know its steps", "set extract, expand or both")
	case m.Info != nil:
		return nil, badParam("the first step of HKDF takes no info", "")
	}
	return leading(secret, length)
}

func expandHKDF(h crypto.Hash, secret []byte, m *command.Mechanism, length int) ([]byte, error) {
	if err := lengthKnown(m, length); err != nil {
		return nil, err
	}
	if length > 255*h.Size() {
		return nil, keySize("HKDF cannot make as much", "")
	}
	out, err := hkdf.Expand(h.New, secret, string(m.Info), length)
	if err != nil {
		return nil, failed(err, "the key could not be derived")
	}
	return out, nil
}

// leading returns the first bytes of a secret, all for length 0.
func leading(secret []byte, length int) ([]byte, error) {
	if length > len(secret) {
		return nil, keySize(fmt.Sprintf("the mechanism makes %d bytes", len(secret)), "")
	}
	if length == 0 {
		length = len(secret)
	}
	return secret[:length], nil
}

// deriveCounter is the KDF in counter mode of SP 800-108, section 4.1, with the
// counter before the fixed input.
func deriveCounter(base *Key, m *command.Mechanism, length int) ([]byte, error) {
	bits := m.CounterBits
	if bits == 0 {
		bits = 32
	}
	if bits > 32 || bits%8 != 0 {
		return nil, badParam(fmt.Sprintf("a counter of %d bits", bits), "use 8, 16, 24 or 32")
	}
	return counterMode(base, m, bits, m.Info, length)
}

// deriveLuna is the same with the fixed input of section 4: label, a zero byte,
// context and the length of the key in bits, 32 bits long.
func deriveLuna(base *Key, m *command.Mechanism, length int) ([]byte, error) {
	fixed := append(append([]byte{}, m.Label...), 0)
	fixed = append(fixed, m.Info...)
	return counterMode(base, m, 32, binary.BigEndian.AppendUint32(fixed, uint32(length*8)), length)
}

func counterMode(base *Key, m *command.Mechanism, bits uint, fixed []byte, length int) ([]byte, error) {
	if err := lengthKnown(m, length); err != nil {
		return nil, err
	}
	prf, err := prfOf(base, m)
	if err != nil {
		return nil, err
	}
	if rounds := (length + prf.Size() - 1) / prf.Size(); uint64(rounds) >= 1<<bits {
		return nil, keySize(fmt.Sprintf("a counter of %d bits cannot make as much", bits), "use more counter bits")
	}
	var out []byte
	for i := uint32(1); len(out) < length; i++ {
		prf.Reset()
		counter := binary.BigEndian.AppendUint32(nil, i)
		prf.Write(counter[4-bits/8:])
		prf.Write(fixed)
		out = prf.Sum(out)
	}
	return out[:length], nil
}

// prfOf returns the pseudo-random function that the parameters name, with the
// base key.
func prfOf(base *Key, m *command.Mechanism) (hash.Hash, error) {
	if base.secret == nil {
		return nil, wrongKey(m.Type)
	}
	if keyType, ok := blockKeys[m.Hash]; ok && (m.Hash == command.MechAESCMAC || m.Hash == command.MechDES3CMAC) {
		if base.Type != keyType {
			return nil, wrongKey(m.Hash)
		}
		return newCMAC(base.block), nil
	}
	h, ok := hmacs[m.Hash]
	if !ok {
		return nil, badParam(fmt.Sprintf("%s needs to know its PRF", m.Type), "set hash to SHA256_HMAC or AES_CMAC")
	}
	return hmac.New(h.New, base.secret), nil
}

// Bounds of PBKDF2.
const (
	maxIterations = 10_000_000
	maxPassword   = 1024 // bytes of password and of salt
)

// passwordKey is PBKDF2 (SP 800-132, RFC 8018).
func passwordKey(m *command.Mechanism, length int) ([]byte, error) {
	if err := onlyParams(m, paramHash|paramSalt|paramIterations|paramPassword); err != nil {
		return nil, err
	}
	h, err := hashParam(m, m.Hash)
	switch {
	case err != nil:
		return nil, err
	case m.Iterations == 0 || m.Iterations > maxIterations:
		return nil, badParam(fmt.Sprintf("PBKDF2 runs 1 to %d iterations", maxIterations), "")
	case len(m.Password) > maxPassword || len(m.Salt) > maxPassword:
		return nil, badParam(fmt.Sprintf("password and salt have up to %d bytes", maxPassword), "")
	}
	out, err := pbkdf2.Key(h.New, string(m.Password), m.Salt, int(m.Iterations), length)
	if err != nil {
		return nil, failed(err, "the key could not be derived")
	}
	return out, nil
}
