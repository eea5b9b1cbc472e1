package mech

import (
	"encoding/json"
	"testing"

	"usbhsm7/firmware/command"
)

// rsaPublicOf reads publicKey of a group.
func rsaPublicOf(t *testing.T, g *group) (*Key, error) {
	return g.once(func() (*Key, error) {
		var parts struct{ Modulus, PublicExponent hexBytes }
		if err := json.Unmarshal(g.PublicKey, &parts); err != nil {
			t.Fatal(err)
		}
		k, err := ParsePublic(command.KeyRSA, Public{Modulus: parts.Modulus, Exponent: parts.PublicExponent})
		return k, longEnough(k, err)
	})
}

func rsaPrivateOf(g *group) (*Key, error) {
	return g.once(func() (*Key, error) {
		pair, err := ParsePKCS8(g.PrivateKeyPkcs8)
		if err != nil {
			return nil, err
		}
		return pair.Key, longEnough(pair.Key, nil)
	})
}

// longEnough puts vectors aside whose keys no mechanism of the device takes.
func longEnough(k *Key, err error) error {
	if row, _ := command.LookupMechanism(command.MechRSAPKCS); err == nil && k.Bits < row.MinBits {
		return errAside
	}
	return err
}

func provePKCS1(t *testing.T, _ string, g *group, p proof) error {
	hash, err := hashNamed(g.Sha)
	if err != nil {
		return err
	}
	k, err := rsaPublicOf(t, g)
	if err != nil {
		return err
	}
	return Verify(k, mechanism(mechanismOf(signatures, algorithmPKCS1, hash)), p.Msg, p.Sig)
}

func provePKCS1Signing(_ *testing.T, _ string, g *group, p proof) error {
	hash, err := hashNamed(g.Sha)
	if err != nil {
		return err
	}
	k, err := rsaPrivateOf(g)
	if err != nil {
		return err
	}
	return equals(p.Sig)(Sign(k, mechanism(mechanismOf(signatures, algorithmPKCS1, hash)), p.Msg, fresh))
}

func provePKCS1Decryption(_ *testing.T, _ string, g *group, p proof) error {
	k, err := rsaPrivateOf(g)
	if err != nil {
		return err
	}
	return equals(p.Msg)(Decrypt(k, mechanism(command.MechRSAPKCS), p.Ct))
}

func proveOAEP(_ *testing.T, _ string, g *group, p proof) error {
	hash, err := hashNamed(g.Sha)
	if err != nil {
		return err
	}
	mgf, err := hashNamed(g.MgfSha)
	if err != nil {
		return err
	}
	k, err := rsaPrivateOf(g)
	if err != nil {
		return err
	}
	return equals(p.Msg)(Decrypt(k, &command.Mechanism{Type: command.MechRSAPKCSOAEP, Hash: hash, MGF: mgf, Label: p.Label}, p.Ct))
}

func provePSS(t *testing.T, _ string, g *group, p proof) error {
	hash, err := hashNamed(g.Sha)
	if err != nil {
		return err
	}
	mgf, err := hashNamed(g.MgfSha)
	if err != nil {
		return err
	}
	k, err := rsaPublicOf(t, g)
	if err != nil {
		return err
	}
	m := &command.Mechanism{Type: mechanismOf(signatures, algorithmPSS, hash), MGF: mgf, SaltLength: &g.SLen}
	combined := Verify(k, m, p.Msg, p.Sig)
	m.Type, m.Hash = command.MechRSAPKCSPSS, hash
	if raw := Verify(k, m, sum(hashes[hash], p.Msg), p.Sig); (combined == nil) != (raw == nil) {
		t.Errorf("vector %d: with its hash %v, on the hash %v", p.TcID, combined, raw)
	}
	return combined
}
