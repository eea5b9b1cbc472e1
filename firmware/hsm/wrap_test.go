package hsm_test

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"maps"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

// wrapping is a template for a key that wraps and unwraps.
func wrapping(more ...any) command.Template {
	return token("wrapping", append([]any{command.AttrValueLen, uint64(32), command.AttrWrap, true, command.AttrUnwrap, true}, more...)...)
}

func (u *unit) wrap(want command.Status, m command.Mechanism, by, key command.Handle) command.WrapKeyResponse {
	u.t.Helper()
	var r command.WrapKeyResponse
	u.do(want, command.CodeWrapKey, u.user, &command.WrapKeyRequest{Mechanism: m, WrappingKey: by, Key: key}, &r)
	return r
}

func (u *unit) unwrap(want command.Status, m command.Mechanism, by command.Handle, wrapped []byte, t command.Template) command.Handle {
	u.t.Helper()
	var r command.ObjectResponse
	u.do(want, command.CodeUnwrapKey, u.user, &command.UnwrapKeyRequest{Mechanism: m, UnwrappingKey: by, Wrapped: wrapped, Template: t}, &r)
	return r.Object
}

var (
	keyWrap = command.Mechanism{Type: command.MechAESKeyWrap}
	padWrap = command.Mechanism{Type: command.MechAESKeyWrapKWP}
	anAES   = command.Template{command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyAES}
	anEC    = command.Template{command.AttrClass: command.ClassPrivateKey, command.AttrKeyType: command.KeyEC}
)

// same reports whether two keys encrypt alike.
func (u *unit) same(a, b command.Handle) bool {
	u.t.Helper()
	block := make([]byte, aes.BlockSize)
	seal := func(key command.Handle) []byte {
		var r command.CipherResponse
		u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESECB}, Key: key, Data: block}, &r)
		return r.Data
	}
	return bytes.Equal(seal(a), seal(b))
}

func TestSecretKeysTravelWithEachMechanism(t *testing.T) {
	u := ready(t)
	by := u.secret(command.MechAESKeyGen, wrapping())
	iv := make([]byte, 16)
	for _, m := range []command.Mechanism{
		keyWrap, padWrap,
		{Type: command.MechLunaAESKW},
		{Type: command.MechLunaAESKWP},
		{Type: command.MechAESECB},
		{Type: command.MechAESCBC, IV: iv},
		{Type: command.MechAESCBCPad, IV: iv},
		{Type: command.MechAESGCM},
	} {
		t.Run(m.Type.String(), func(t *testing.T) {
			for _, length := range []uint64{16, 24, 32} {
				key := u.secret(command.MechAESKeyGen, token("travels", command.AttrValueLen, length, command.AttrExtractable, true))
				r := u.wrap(command.StatusOK, m, by, key)
				back := m
				if r.IV != nil {
					back.IV = r.IV
				}
				template := with(anAES, command.AttrValueLen, length)
				if got := u.unwrap(command.StatusOK, back, by, r.Wrapped, template); !u.same(key, got) {
					t.Errorf("a key of %d bytes came back as another", length)
				}
				r.Wrapped[0] ^= 1
				if authentic := m.Type != command.MechAESECB && m.Type != command.MechAESCBC && m.Type != command.MechAESCBCPad; authentic {
					u.unwrap(command.StatusWrappedKeyInvalid, back, by, r.Wrapped, template)
				}
				u.unwrap(command.StatusWrappedKeyLenRange, back, by, r.Wrapped[:5], template)
			}
		})
	}
}

func with(t command.Template, typ command.AttributeType, value any) command.Template {
	out := command.Template{}
	maps.Copy(out, t)
	out[typ] = value
	return out
}

// TestPrivateKeysTravelAsPKCS8 gives a key in, as a program on the host would, and
// lets it out again.
func TestPrivateKeysTravelAsPKCS8(t *testing.T) {
	u := ready(t)
	u.partitionPolicy(policy.PrivateKeyCloning, 0, false)
	u.partitionPolicy(policy.PrivateKeyWrapping, 1, true)
	by := u.secret(command.MechAESKeyGen, wrapping(command.AttrEncrypt, true))
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cbc := command.Mechanism{Type: command.MechAESCBCPad, IV: make([]byte, 16)}
	for _, m := range []command.Mechanism{padWrap, cbc} {
		var sealed command.CipherResponse
		u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: m, Key: by, Data: der}, &sealed)
		private := u.unwrap(command.StatusOK, m, by, sealed.Data, with(anEC, command.AttrExtractable, true))
		got := u.attributes(private)
		if got.Bool(command.AttrLocal, true) || got.Bool(command.AttrNeverExtractable, true) || got.Bool(command.AttrAlwaysSensitive, true) ||
			!bytes.HasSuffix(got.Bytes(command.AttrECPoint), key.PublicKey().Bytes()) {
			t.Errorf("%v: attributes %v", m.Type, got)
		}
		if again := u.wrap(command.StatusOK, m, by, private); !bytes.Equal(again.Wrapped, sealed.Data) {
			t.Errorf("%v: wrapped again it differs", m.Type)
		}
		u.unwrap(command.StatusTemplateInconsistent, m, by, sealed.Data, with(anEC, command.AttrKeyType, command.KeyRSA))
	}
	secret := u.secret(command.MechGenericSecretGen, token("none", command.AttrValueLen, uint64(32), command.AttrExtractable, true))
	u.unwrap(command.StatusWrappedKeyInvalid, padWrap, by, u.wrap(command.StatusOK, padWrap, by, secret).Wrapped, anEC)
}

func TestWhatMayNotLeave(t *testing.T) {
	u := ready(t)
	by := u.secret(command.MechAESKeyGen, wrapping())
	idle := u.aes("does not wrap")
	open := u.secret(command.MechAESKeyGen, token("open", command.AttrValueLen, uint64(16), command.AttrExtractable, true))
	odd := u.secret(command.MechGenericSecretGen, token("odd", command.AttrValueLen, uint64(17), command.AttrExtractable, true))
	careful := u.secret(command.MechAESKeyGen, token("careful", command.AttrValueLen, uint64(16), command.AttrExtractable, true, command.AttrWrapWithTrusted, true))
	pair := u.ec("ec", p256)
	u.wrap(command.StatusKeyUnextractable, keyWrap, by, idle)
	u.wrap(command.StatusKeyInvalidForOperation, keyWrap, idle, open)
	u.wrap(command.StatusKeyNotWrappable, keyWrap, by, pair.Public)
	u.wrap(command.StatusOperationRestricted, padWrap, by, pair.Private) // policy 1
	u.wrap(command.StatusObjectHandleInvalid, keyWrap, by, 9999)
	u.wrap(command.StatusWrappingKeyHandle, keyWrap, 9999, open)
	u.wrap(command.StatusWrappingKeyType, keyWrap, pair.Public, open)
	u.wrap(command.StatusKeySizeRange, keyWrap, by, odd)
	u.wrap(command.StatusMechanismInvalid, command.Mechanism{Type: command.MechAESCTR, IV: make([]byte, 16)}, by, open)
	u.wrap(command.StatusKeyNotWrappable, keyWrap, by, careful)

	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RolePO)
	u.do(command.StatusObjectHandleInvalid, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: by, Attributes: command.Template{command.AttrTrusted: true}}, nil)
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RoleCO)
	u.unwrap(command.StatusUnwrappingKeyHandle, keyWrap, 9999, make([]byte, 24), anAES)
	u.unwrap(command.StatusUnwrappingKeyType, keyWrap, pair.Private, make([]byte, 24), anAES)
	u.unwrap(command.StatusTemplateIncomplete, keyWrap, by, make([]byte, 24), command.Template{})
	u.unwrap(command.StatusTemplateInconsistent, keyWrap, by, make([]byte, 24), command.Template{command.AttrClass: command.ClassPublicKey, command.AttrKeyType: command.KeyRSA})
}

// TestATrustedKeyWrapsACarefulOne has the Partition SO trust a public key.
func TestATrustedKeyWrapsACarefulOne(t *testing.T) {
	u := ready(t)
	var pair command.KeyPairResponse
	u.ok(command.CodeGenerateKeyPair, u.user, &command.GenerateKeyPairRequest{
		Mechanism: command.Mechanism{Type: command.MechRSAKeyPairGen},
		Public:    token("kek", command.AttrModulusBits, uint64(2048), command.AttrWrap, true), Private: token("kek", command.AttrUnwrap, true),
	}, &pair)
	careful := u.secret(command.MechAESKeyGen, token("careful", command.AttrValueLen, uint64(16), command.AttrExtractable, true, command.AttrWrapWithTrusted, true))
	oaep := command.Mechanism{Type: command.MechRSAPKCSOAEP, Hash: command.MechSHA256}
	u.wrap(command.StatusKeyNotWrappable, oaep, pair.Public, careful)
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RolePO)
	u.ok(command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: pair.Public, Attributes: command.Template{command.AttrTrusted: true}}, nil)
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RoleCO)
	r := u.wrap(command.StatusOK, oaep, pair.Public, careful)
	if got := u.unwrap(command.StatusOK, oaep, pair.Private, r.Wrapped, anAES); !u.same(got, careful) {
		t.Error("another key came back")
	}
}

// TestPoliciesOfTransport turns each policy off and wants what it is for refused.
func TestPoliciesOfTransport(t *testing.T) {
	u := ready(t)
	by := u.secret(command.MechAESKeyGen, wrapping(command.AttrDerive, true))
	open := u.secret(command.MechAESKeyGen, token("open", command.AttrValueLen, uint64(16), command.AttrExtractable, true))
	pad := command.Mechanism{Type: command.MechAESCBCPad, IV: make([]byte, 16)}
	wrapped, padded := u.wrap(command.StatusOK, keyWrap, by, open).Wrapped, u.wrap(command.StatusOK, pad, by, open).Wrapped

	u.partitionPolicy(policy.CBCPadAnySize, 0, false)
	u.wrap(command.StatusMechanismInvalid, pad, by, open)
	u.unwrap(command.StatusMechanismInvalid, pad, by, padded, anAES)
	u.partitionPolicy(policy.SecretKeyUnwrapping, 0, false)
	u.unwrap(command.StatusOperationRestricted, keyWrap, by, wrapped, anAES)
	u.partitionPolicy(policy.SecretKeyUnwrapping, 1, false)
	u.partitionPolicy(policy.PrivateKeyUnwrapping, 0, false)
	u.unwrap(command.StatusOperationRestricted, keyWrap, by, wrapped, anEC)
	u.unwrap(command.StatusOK, keyWrap, by, wrapped, anAES)
	u.partitionPolicy(policy.SecretKeyWrapping, 0, false)
	u.wrap(command.StatusOperationRestricted, keyWrap, by, open)
	u.partitionPolicy(policy.KeyManagement, 0, false)
	u.wrap(command.StatusOperationRestricted, keyWrap, by, open)
	u.unwrap(command.StatusOperationRestricted, keyWrap, by, wrapped, anAES)
	hkdf := command.Mechanism{Type: command.MechHKDFDerive, Hash: command.MechSHA256, Extract: true, Expand: true}
	u.do(command.StatusOperationRestricted, command.CodeDeriveKey, u.user, &command.DeriveKeyRequest{Mechanism: hkdf, BaseKey: by, Template: command.Template{command.AttrValueLen: uint64(16)}}, nil)
}

func (u *unit) derive(want command.Status, m command.Mechanism, base command.Handle, t command.Template) command.Handle {
	u.t.Helper()
	var r command.ObjectResponse
	u.do(want, command.CodeDeriveKey, u.user, &command.DeriveKeyRequest{Mechanism: m, BaseKey: base, Template: t}, &r)
	return r.Object
}

func TestTwoPartiesDeriveTheSameKey(t *testing.T) {
	u := ready(t)
	pairs := [2]command.KeyPairResponse{}
	for i := range pairs {
		u.ok(command.CodeGenerateKeyPair, u.user, &command.GenerateKeyPairRequest{
			Mechanism: command.Mechanism{Type: command.MechECKeyPairGen}, Public: command.Template{command.AttrECParams: p256},
			Private: command.Template{command.AttrDerive: true},
		}, &pairs[i])
	}
	agree := func(mine, theirs int) command.Handle {
		m := command.Mechanism{Type: command.MechECDH1Derive, PublicData: u.attributes(pairs[theirs].Public).Bytes(command.AttrECPoint)}
		return u.derive(command.StatusOK, m, pairs[mine].Private, with(anAES, command.AttrValueLen, uint64(32)))
	}
	a, b := agree(0, 1), agree(1, 0)
	if !u.same(a, b) {
		t.Error("the two have different keys")
	}
	got := u.attributes(a)
	if got.Bool(command.AttrLocal, true) || !got.Bool(command.AttrNeverExtractable, false) || !got.Bool(command.AttrAlwaysSensitive, false) {
		t.Errorf("attributes %v", got)
	}
	peer := command.Mechanism{Type: command.MechECDH1Derive, PublicData: u.attributes(pairs[1].Public).Bytes(command.AttrECPoint)}
	u.derive(command.StatusKeySizeRange, peer, pairs[0].Private, command.Template{command.AttrValueLen: uint64(33)})
	u.derive(command.StatusKeySizeRange, peer, pairs[0].Private, with(anAES, command.AttrValueLen, uint64(17)))
	u.derive(command.StatusTemplateInconsistent, peer, pairs[0].Private, anEC)
	u.derive(command.StatusKeyInvalidForOperation, peer, u.ec("signs", p256).Private, nil)
	extractable := u.attributes(u.derive(command.StatusOK, peer, pairs[0].Private, command.Template{command.AttrExtractable: true}))
	if extractable.Bool(command.AttrNeverExtractable, true) {
		t.Error("an extractable key was never extractable")
	}
}

func TestEncapsulatedKeysAreTheSame(t *testing.T) {
	u := ready(t)
	var pair command.KeyPairResponse
	u.ok(command.CodeGenerateKeyPair, u.user, &command.GenerateKeyPairRequest{
		Mechanism: command.Mechanism{Type: command.MechMLKEMKeyPairGen}, Public: command.Template{command.AttrParameterSet: command.MLKEM768}, Private: command.Template{},
	}, &pair)
	m := command.Mechanism{Type: command.MechMLKEM}
	var sent command.EncapsulateKeyResponse
	u.ok(command.CodeEncapsulateKey, u.user, &command.EncapsulateKeyRequest{Mechanism: m, PublicKey: pair.Public, Template: anAES}, &sent)
	var got command.ObjectResponse
	take := &command.DecapsulateKeyRequest{Mechanism: m, PrivateKey: pair.Private, Ciphertext: sent.Ciphertext, Template: anAES}
	u.ok(command.CodeDecapsulateKey, u.user, take, &got)
	if !u.same(sent.Object, got.Object) {
		t.Error("the two have different keys")
	}
	take.Ciphertext[0] ^= 1
	u.ok(command.CodeDecapsulateKey, u.user, take, &got)
	if u.same(sent.Object, got.Object) {
		t.Error("another ciphertext gives the same key")
	}
	take.Ciphertext = take.Ciphertext[1:]
	u.do(command.StatusEncryptedDataLenRange, command.CodeDecapsulateKey, u.user, take, nil)
	take.PrivateKey = pair.Public
	u.do(command.StatusKeyInvalidForOperation, command.CodeDecapsulateKey, u.user, take, nil)
}
