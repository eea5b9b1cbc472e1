package mech

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
)

// curveCalled returns the curve as Wycheproof calls it.
func curveCalled(name string) (Curve, error) {
	called := map[string]string{
		"secp224r1": "P-224", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp256k1": "secp256k1",
		"P-256": "P-256", "P-384": "P-384", "P-521": "P-521", "P-256K": "secp256k1",
	}
	if called[name] == "" {
		return Curve{}, errAside
	}
	return curveNamed(called[name]), nil
}

// ecKey reads publicKey of an ECDSA group.
func ecKey(t *testing.T, g *group) (*Key, error) {
	var parts struct{ Curve, Uncompressed string }
	if err := json.Unmarshal(g.PublicKey, &parts); err != nil {
		t.Fatal(err)
	}
	c, err := curveCalled(parts.Curve)
	if err != nil {
		return nil, err
	}
	point, err := hex.DecodeString(parts.Uncompressed)
	if err != nil {
		t.Fatal(err)
	}
	return ParsePublic(command.KeyEC, Public{ECParams: c.OID, ECPoint: derPoint(point)})
}

func proveECDSA(t *testing.T, _ string, g *group, p proof) error {
	hash, err := hashNamed(g.Sha)
	if err != nil {
		return err
	}
	k, err := g.once(func() (*Key, error) { return ecKey(t, g) })
	if err != nil {
		return err
	}
	return Verify(k, mechanism(mechanismOf(signatures, algorithmECDSA, hash)), p.Msg, p.Sig)
}

// proveECDSAinDER is for the driver's form of a signature. Bitcoin's files want
// more than ECDSA does.
func proveECDSAinDER(t *testing.T, file string, g *group, p proof) error {
	if file == "ecdsa_secp256k1_sha256_bitcoin_test.json" {
		return errAside
	}
	k, err := g.once(func() (*Key, error) { return ecKey(t, g) })
	if err != nil {
		return err
	}
	raw, err := rawFromDER(p.Sig, int(k.Bits+7)/8)
	if err != nil || !bytes.Equal(derFromRaw(raw), p.Sig) {
		return command.StatusSignatureInvalid.With("not DER", "")
	}
	hash, err := hashNamed(g.Sha)
	if err != nil {
		return err
	}
	return Verify(k, mechanism(command.MechECDSA), sum(hashes[hash], p.Msg), raw)
}

// proveECDH gives the other side's key bare, or as ec-point has it.
func proveECDH(t *testing.T, file string, g *group, p proof) error {
	c, err := curveCalled(g.Curve)
	if err != nil {
		return err
	}
	if slices.Contains(p.Flags, "WrongCurve") && strings.Contains(file, "webcrypto") {
		return errAside // a web key names a curve of its own
	}
	scalar := new(big.Int).SetBytes(p.Private)
	k := must(ParsePrivate(command.KeyEC, Public{ECParams: c.OID}, scalar.FillBytes(make([]byte, c.size()))))(t)
	public := []byte(p.Public)
	if p.TcID%2 == 0 {
		public = derPoint(public)
	}
	return equals(p.Shared)(Derive(k, &command.Mechanism{Type: command.MechECDH1Derive, PublicData: public}, 0))
}

func proveX25519(t *testing.T, _ string, _ *group, p proof) error {
	k := must(ParsePrivate(command.KeyECMontgomery, Public{ECParams: derX25519}, p.Private))(t)
	return equals(p.Shared)(Derive(k, &command.Mechanism{Type: command.MechECDH1Derive, PublicData: p.Public}, 0))
}

func proveEd25519(t *testing.T, _ string, g *group, p proof) error {
	var parts struct{ Pk hexBytes }
	if err := json.Unmarshal(g.PublicKey, &parts); err != nil {
		t.Fatal(err)
	}
	k := must(ParsePublic(command.KeyECEdwards, Public{ECParams: derEd25519, ECPoint: derPoint(parts.Pk)}))(t)
	return Verify(k, mechanism(command.MechEdDSA), p.Msg, p.Sig)
}
