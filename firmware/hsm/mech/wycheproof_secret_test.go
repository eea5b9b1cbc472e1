package mech

import (
	"bytes"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
)

func aesKey(p proof) (*Key, error) { return ParseSecret(command.KeyAES, p.Key) }

// cipherBothWays encrypts and compares, then decrypts. Invalid vectors are those
// that must not decrypt.
func cipherBothWays(k *Key, m *command.Mechanism, p proof, sealed []byte) error {
	if err := equals(p.Msg)(Decrypt(k, m, sealed)); err != nil {
		return err
	}
	out, _, err := Encrypt(k, m, p.Msg, fresh)
	return equals(sealed)(out, err)
}

func proveCBC(_ *testing.T, _ string, _ *group, p proof) error {
	k, err := aesKey(p)
	if err != nil {
		return err
	}
	return cipherBothWays(k, &command.Mechanism{Type: command.MechAESCBCPad, IV: p.Iv}, p, p.Ct)
}

func proveGCM(_ *testing.T, _ string, g *group, p proof) error {
	k, err := aesKey(p)
	if err != nil {
		return err
	}
	if len(p.Iv) > maxIV {
		return errAside
	}
	m := &command.Mechanism{Type: command.MechAESGCM, IV: p.Iv, AAD: p.Aad, TagBits: g.TagSize}
	return cipherBothWays(k, m, p, append(bytes.Clone(p.Ct), p.Tag...))
}

func proveKW(t *testing.T, file string, g *group, p proof) error {
	return proveWrap(command.MechAESKeyWrap, p)
}

func proveKWP(t *testing.T, file string, g *group, p proof) error {
	return proveWrap(command.MechAESKeyWrapKWP, p)
}

func proveWrap(m command.MechanismType, p proof) error {
	k, err := aesKey(p)
	if err != nil {
		return err
	}
	if err := equals(p.Msg)(Unwrap(k, mechanism(m), p.Ct)); err != nil {
		return err
	}
	out, _, err := Wrap(k, mechanism(m), p.Msg, fresh)
	return equals(p.Ct)(out, err)
}

func proveCMAC(_ *testing.T, _ string, g *group, p proof) error {
	k, err := aesKey(p)
	if err != nil {
		return err
	}
	return proveMAC(k, mechanism(command.MechAESCMAC), g, p)
}

func proveGMAC(_ *testing.T, _ string, g *group, p proof) error {
	k, err := aesKey(p)
	if err != nil {
		return err
	}
	return proveMAC(k, &command.Mechanism{Type: command.MechAESGMAC, IV: p.Iv, TagBits: g.TagSize}, g, p)
}

// proveHMAC finds the hash in the name of the file.
func proveHMAC(t *testing.T, file string, g *group, p proof) error {
	name := strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(file, "hmac_"), "_test.json"))
	if name == "SHA1" {
		name = "SHA_1"
	}
	for _, row := range command.MechanismTable {
		if row.Name == name+"_HMAC" {
			k := must(ParseSecret(command.KeyGenericSecret, p.Key))(t)
			return proveMAC(k, mechanism(row.Type), g, p)
		}
	}
	return errAside
}

// proveMAC takes vectors with a shorter tag as vectors of its first bytes.
func proveMAC(k *Key, m *command.Mechanism, g *group, p proof) error {
	got, err := Sign(k, m, p.Msg, fresh)
	if err != nil {
		return err
	}
	if len(got) == len(p.Tag) {
		return Verify(k, m, p.Msg, p.Tag)
	}
	return equals(p.Tag)(got[:min(len(got), len(p.Tag))], nil)
}

func proveHKDF(t *testing.T, file string, _ *group, p proof) error {
	hash, err := hashNamed(strings.Replace(strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(file, "hkdf_"), "_test.json")), "SHA", "SHA-", 1))
	if err != nil {
		return err
	}
	k := must(ParseSecret(command.KeyGenericSecret, p.Ikm))(t)
	m := &command.Mechanism{Type: command.MechHKDFDerive, Hash: hash, Salt: p.Salt, Info: p.Info, Extract: true, Expand: true}
	out, err := Derive(k, m, int(min(p.Size, MaxDerived)))
	if p.Size > MaxDerived && err == nil && p.Result == "valid" {
		return equals(p.Okm[:MaxDerived])(out, nil) // HKDF makes the same beginning
	}
	return equals(p.Okm)(out, err)
}

func provePBKDF2(_ *testing.T, file string, _ *group, p proof) error {
	hash, err := hashNamed(strings.Replace(strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(file, "pbkdf2_hmac"), "_test.json")), "SHA", "SHA-", 1))
	if err != nil {
		return err
	}
	m := &command.Mechanism{Type: command.MechPKCS5PBKD2, Hash: hash, Salt: p.Salt, Iterations: p.IterationCount, Password: p.Password}
	if p.IterationCount > 100_000 || p.DkLen > MaxDerived {
		return errAside // takes too long
	}
	return equals(p.Dk)(passwordKey(m, int(p.DkLen)))
}
