package hsm_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
	"testing"

	"usbhsm7/firmware/command"
)

// TestSignaturesVerifyOutside checks signatures with Go's crypto and nothing
// but the public attributes.
func TestSignaturesVerifyOutside(t *testing.T) {
	u := ready(t)
	data := []byte("a message")
	h256, h384 := sha256.Sum256(data), sha512.Sum384(data)

	pair := u.rsa("rsa", 2048)
	a := u.attributes(pair.Public)
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(a.Bytes(command.AttrModulus)), E: int(new(big.Int).SetBytes(a.Bytes(command.AttrPublicExponent)).Int64())}
	sig := u.sign(command.Mechanism{Type: command.MechSHA256RSAPKCS}, pair.Private, data)
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, h256[:], sig); err != nil {
		t.Error(err)
	}
	sig = u.sign(command.Mechanism{Type: command.MechRSAPKCSPSS, Hash: command.MechSHA384}, pair.Private, h384[:])
	if err := rsa.VerifyPSS(public, crypto.SHA384, h384[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}); err != nil {
		t.Error(err)
	}

	for _, c := range []struct {
		params []byte
		curve  elliptic.Curve
	}{{p256, elliptic.P256()}, {p384, elliptic.P384()}} {
		pair := u.ec("ec", c.params)
		point := u.attributes(pair.Public, command.AttrECPoint).Bytes(command.AttrECPoint)
		public, err := ecdsa.ParseUncompressedPublicKey(c.curve, point[2:])
		if err != nil {
			t.Fatal(err)
		}
		sig := u.sign(command.Mechanism{Type: command.MechECDSASHA256}, pair.Private, data)
		r, s := new(big.Int).SetBytes(sig[:len(sig)/2]), new(big.Int).SetBytes(sig[len(sig)/2:])
		if !ecdsa.Verify(public, h256[:], r, s) {
			t.Errorf("signature on %s is wrong", c.curve.Params().Name)
		}
	}
}

func TestCiphers(t *testing.T) {
	u := ready(t)
	key := u.aes("aes")
	data := []byte("thirty-two bytes of secret data!")
	for name, m := range map[string]command.Mechanism{
		"CBC":                 {Type: command.MechAESCBC, IV: make([]byte, 16)},
		"CBC-PAD":             {Type: command.MechAESCBCPad, IV: make([]byte, 16)},
		"GCM":                 {Type: command.MechAESGCM, IV: make([]byte, 12), AAD: []byte("aad"), TagBits: 96},
		"GCM, IV of device":   {Type: command.MechAESGCM},
		"GCM, IV of 16 bytes": {Type: command.MechAESGCM, IV: make([]byte, 16)},
	} {
		t.Run(name, func(t *testing.T) {
			var sealed, opened command.CipherResponse
			u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: m, Key: key, Data: data}, &sealed)
			if m.IV == nil && len(sealed.IV) != 12 || m.IV != nil && sealed.IV != nil {
				t.Errorf("IV %x", sealed.IV)
			}
			if m.IV == nil {
				m.IV = sealed.IV
			}
			u.ok(command.CodeDecrypt, u.user, &command.CipherRequest{Mechanism: m, Key: key, Data: sealed.Data}, &opened)
			if !bytes.Equal(opened.Data, data) || opened.IV != nil {
				t.Errorf("opened %q, IV %x", opened.Data, opened.IV)
			}
		})
	}
}

func TestHMAC(t *testing.T) {
	u := ready(t)
	key := u.secret(command.MechGenericSecretGen, token("hmac", command.AttrValueLen, uint64(32)))
	m := command.Mechanism{Type: command.MechSHA256HMAC}
	tag := u.sign(m, key, []byte("data"))
	u.ok(command.CodeVerify, u.user, &command.VerifyRequest{Mechanism: m, Key: key, Data: []byte("data"), Signature: tag}, nil)
	u.do(command.StatusSignatureInvalid, command.CodeVerify, u.user, &command.VerifyRequest{Mechanism: m, Key: key, Data: []byte("date"), Signature: tag}, nil)
	u.do(command.StatusSignatureLenRange, command.CodeVerify, u.user, &command.VerifyRequest{Mechanism: m, Key: key, Data: []byte("data"), Signature: tag[1:]}, nil)
}

func TestKeysServeTheirPurposeOnly(t *testing.T) {
	u := ready(t)
	pair, aes := u.ec("ec", p256), u.aes("aes")
	blind := u.secret(command.MechAESKeyGen, token("no encryption", command.AttrValueLen, uint64(16), command.AttrEncrypt, false))
	hash := make([]byte, 32)
	sign := func(want command.Status, m command.MechanismType, key command.Handle) {
		t.Helper()
		u.do(want, command.CodeSign, u.user, &command.SignRequest{Mechanism: command.Mechanism{Type: m}, Key: key, Data: hash}, nil)
	}
	sign(command.StatusKeyInvalidForOperation, command.MechECDSA, pair.Public)
	sign(command.StatusKeyTypeInconsistent, command.MechRSAPKCS, pair.Private)
	sign(command.StatusKeyTypeInconsistent, command.MechSHA256HMAC, aes)
	sign(command.StatusMechanismInvalid, command.MechAESGCM, aes)
	sign(command.StatusMechanismInvalid, command.MechECKeyPairGen, pair.Private)
	sign(command.StatusMechanismInvalid, 0x7777, pair.Private)
	sign(command.StatusObjectHandleInvalid, command.MechECDSA, 9999)
	u.do(command.StatusKeyInvalidForOperation, command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: blind}, nil)
	u.do(command.StatusKeyInvalidForOperation, command.CodeVerify, u.user, &command.VerifyRequest{Mechanism: command.Mechanism{Type: command.MechECDSA}, Key: pair.Private, Data: hash}, nil)
	u.do(command.StatusKeyTypeInconsistent, command.CodeDecrypt, u.user, &command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: pair.Private}, nil)
}

func TestDigestAndRandom(t *testing.T) {
	u := newUnit(t)
	var d command.DigestResponse
	u.ok(command.CodeDigest, u.admin, &command.DigestRequest{Mechanism: command.Mechanism{Type: command.MechSHA256}, Data: []byte("abc")}, &d)
	if want := sha256.Sum256([]byte("abc")); !bytes.Equal(d.Digest, want[:]) {
		t.Errorf("digest %x", d.Digest)
	}
	u.do(command.StatusMechanismInvalid, command.CodeDigest, u.admin, &command.DigestRequest{}, nil)
	for _, n := range []uint{1, 32, 65536} {
		var r command.RandomResponse
		u.ok(command.CodeRandom, u.admin, &command.RandomRequest{Length: n}, &r)
		if len(r.Data) != int(n) {
			t.Errorf("%d bytes, want %d", len(r.Data), n)
		}
	}
	for _, n := range []uint{0, 65537, ^uint(0)} {
		u.do(command.StatusArgumentsBad, command.CodeRandom, u.admin, &command.RandomRequest{Length: n}, nil)
	}
}

func TestEchoAndMechanisms(t *testing.T) {
	u := newUnit(t)
	data := bytes.Repeat([]byte("echo"), 1000)
	var e command.Echo
	u.ok(command.CodeEcho, 0, &command.Echo{Data: data}, &e)
	if !bytes.Equal(e.Data, data) {
		t.Error("the echo differs")
	}
	var m command.MechanismsResponse
	u.ok(command.CodeMechanisms, 0, nil, &m)
	if len(m.Mechanisms) != len(command.MechanismTable) {
		t.Errorf("%d mechanisms", len(m.Mechanisms))
	}
}
