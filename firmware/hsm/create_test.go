package hsm_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"filippo.io/mldsa"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

func (u *unit) create(t command.Template) command.Handle {
	u.t.Helper()
	var r command.ObjectResponse
	u.ok(command.CodeCreateObject, u.user, &command.CreateObjectRequest{Template: t}, &r)
	return r.Object
}

func (u *unit) refuseCreate(want command.Status, t command.Template) {
	u.t.Helper()
	u.do(want, command.CodeCreateObject, u.user, &command.CreateObjectRequest{Template: t}, nil)
}

func (u *unit) copy(h command.Handle, t command.Template) command.Handle {
	u.t.Helper()
	var r command.ObjectResponse
	u.ok(command.CodeCopyObject, u.user, &command.CopyObjectRequest{Object: h, Template: t}, &r)
	return r.Object
}

// under is an HSM with the Crypto Officer logged in and these partition policies.
func under(t testing.TB, settings ...command.PolicySetting) *unit {
	t.Helper()
	u := powerOn(t, stage(t).created.Clone())
	u.user = u.open(command.SlotPartition, false)
	u.ok(command.CodePartitionInit, u.user, &command.PartitionInitRequest{Label: "partition", Password: []byte(poPassword), Policies: settings}, nil)
	u.logIn(command.RolePO)
	u.appoint(command.RoleCO, coPassword)
	return u.logIn(command.RoleCO)
}

func set(id policy.ID, value uint16) command.PolicySetting {
	return command.PolicySetting{ID: id, Value: value}
}

func data(more ...any) command.Template {
	return token("data", append([]any{command.AttrClass, command.ClassData, command.AttrValue, []byte("hello")}, more...)...)
}

func rawAES(more ...any) command.Template {
	return token("raw", append([]any{
		command.AttrClass, command.ClassSecretKey, command.AttrKeyType, command.KeyAES, command.AttrValue, bytes.Repeat([]byte{7}, 16),
	}, more...)...)
}

func TestDataObjectsAreKept(t *testing.T) {
	u := ready(t)
	public := u.create(data(command.AttrApplication, "app"))
	private := u.create(data(command.AttrPrivate, true))
	u = u.again()
	if got := u.attributes(public); !bytes.Equal(got.Bytes(command.AttrValue), []byte("hello")) || got.Text(command.AttrApplication) != "app" {
		t.Errorf("%v", got)
	}
	if got := u.find(command.Template{command.AttrClass: command.ClassData, command.AttrValue: []byte("hello")}); len(got) != 2 {
		t.Errorf("found %v by value", got)
	}
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.do(command.StatusObjectHandleInvalid, command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: private}, nil)
	u.attributes(public)
	u.do(command.StatusKeyTypeInconsistent, command.CodeVerify, u.user, &command.VerifyRequest{Mechanism: command.Mechanism{Type: command.MechECDSA}, Key: public}, nil)
}

func certificate(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "root"}, NotAfter: time.Unix(1<<31, 0)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestCertificatesTellTheirNames(t *testing.T) {
	u := ready(t)
	der := certificate(t)
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	h := u.create(token("cert", command.AttrClass, command.ClassCertificate, command.AttrValue, der))
	got := u.attributes(h)
	serial, _ := asn1.Marshal(big.NewInt(77))
	if !bytes.Equal(got.Bytes(command.AttrSubject), parsed.RawSubject) || !bytes.Equal(got.Bytes(command.AttrIssuer), parsed.RawIssuer) ||
		!bytes.Equal(got.Bytes(command.AttrSerialNumber), serial) || !bytes.Equal(got.Bytes(command.AttrValue), der) || got.Bool(command.AttrTrusted, true) {
		t.Errorf("%v", got)
	}
	if found := u.find(command.Template{command.AttrSubject: parsed.RawSubject}); len(found) != 1 {
		t.Errorf("found %v by subject", found)
	}
}

func TestOnlyThePartitionSOSaysWhatIsTrusted(t *testing.T) {
	u := ready(t)
	h := u.create(token("cert", command.AttrClass, command.ClassCertificate, command.AttrValue, certificate(t)))
	trust := &command.SetAttributesRequest{Object: h, Attributes: command.Template{command.AttrTrusted: true}}
	u.do(command.StatusAttributeReadOnly, command.CodeSetAttributes, u.user, trust, nil)
	u.do(command.StatusAttributeReadOnly, command.CodeCopyObject, u.user, &command.CopyObjectRequest{Object: h, Template: command.Template{command.AttrTrusted: true}}, nil)
	u.refuseCreate(command.StatusAttributeReadOnly, token("cert", command.AttrClass, command.ClassCertificate, command.AttrValue, certificate(t), command.AttrTrusted, true))
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RolePO)
	u.do(command.StatusUserNotLoggedIn, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: h, Attributes: command.Template{command.AttrLabel: "x"}}, nil)
	u.ok(command.CodeSetAttributes, u.user, trust, nil)
	if !u.attributes(h).Bool(command.AttrTrusted, false) {
		t.Error("not trusted")
	}
}

func TestKeysFromOutsideWorkAndAreKnownAsSuch(t *testing.T) {
	u := ready(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	scalar, _ := ec.Bytes()
	point, _ := ec.PublicKey.Bytes()
	octets, _ := asn1.Marshal(point)
	keyOf := func(class, keyType uint64, more ...any) command.Handle {
		return u.create(token("outside", append([]any{command.AttrClass, class, command.AttrKeyType, keyType}, more...)...))
	}
	ecPrivate := keyOf(command.ClassPrivateKey, command.KeyEC, command.AttrECParams, p256, command.AttrValue, bytes.TrimLeft(scalar, "\x00"))
	ecPublic := keyOf(command.ClassPublicKey, command.KeyEC, command.AttrECParams, p256, command.AttrECPoint, octets)
	rsaPrivate := keyOf(command.ClassPrivateKey, command.KeyRSA, command.AttrModulus, rs.N.Bytes(), command.AttrPublicExponent, []byte{1, 0, 1},
		command.AttrPrivateExponent, rs.D.Bytes(), command.AttrPrime1, rs.Primes[0].Bytes(), command.AttrPrime2, rs.Primes[1].Bytes())
	rsaPublic := keyOf(command.ClassPublicKey, command.KeyRSA, command.AttrModulus, rs.N.Bytes(), command.AttrPublicExponent, []byte{1, 0, 1})
	u = u.again()
	hash := sha256.Sum256([]byte("message"))
	for _, c := range []struct {
		m               command.MechanismType
		private, public command.Handle
	}{{command.MechECDSA, ecPrivate, ecPublic}, {command.MechSHA256RSAPKCS, rsaPrivate, rsaPublic}} {
		m := command.Mechanism{Type: c.m}
		sig := u.sign(m, c.private, hash[:])
		u.ok(command.CodeVerify, u.user, &command.VerifyRequest{Mechanism: m, Key: c.public, Data: hash[:], Signature: sig}, nil)
		got := u.attributes(c.private)
		if got.Bool(command.AttrLocal, true) || got.Bool(command.AttrAlwaysSensitive, true) || got.Bool(command.AttrNeverExtractable, true) {
			t.Errorf("%v", got)
		}
		for _, typ := range []command.AttributeType{command.AttrValue, command.AttrPrivateExponent, command.AttrPrime1, command.AttrPrime2} {
			if _, leaked := got[typ]; leaked {
				t.Errorf("%s can be read", typ)
			}
		}
		u.do(command.StatusAttributeSensitive, command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: c.private, Types: []command.AttributeType{command.AttrValue}}, nil)
	}
}

// TestLatticeKeysFromOutsideWorkAtOnceAndLater imports public keys, whose value is
// an attribute like any other, and private ones, whose value is secret.
func TestLatticeKeysFromOutsideWorkAtOnceAndLater(t *testing.T) {
	u := ready(t)
	private, err := mldsa.GenerateKey(mldsa.MLDSA44())
	if err != nil {
		t.Fatal(err)
	}
	decapsulation, err := mlkem.GenerateKey768()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := private.Sign(nil, []byte("message"), nil)
	if err != nil {
		t.Fatal(err)
	}
	values := map[command.Handle][]byte{}
	public := func(keyType, set uint64, value []byte) command.Handle {
		key := u.create(token("outside", command.AttrClass, command.ClassPublicKey, command.AttrKeyType, keyType,
			command.AttrParameterSet, set, command.AttrValue, value))
		values[key] = value
		return key
	}
	verifies := public(command.KeyMLDSA, command.MLDSA44, private.PublicKey().Bytes())
	encapsulates := public(command.KeyMLKEM, command.MLKEM768, decapsulation.EncapsulationKey().Bytes())
	for _, v := range []*unit{u, u.again()} {
		v.ok(command.CodeVerify, v.user, &command.VerifyRequest{
			Mechanism: command.Mechanism{Type: command.MechMLDSA}, Key: verifies, Data: []byte("message"), Signature: signature,
		}, nil)
		var r command.EncapsulateKeyResponse
		v.ok(command.CodeEncapsulateKey, v.user, &command.EncapsulateKeyRequest{
			Mechanism: command.Mechanism{Type: command.MechMLKEM}, PublicKey: encapsulates, Template: command.Template{},
		}, &r)
		if _, err := decapsulation.Decapsulate(r.Ciphertext); err != nil {
			t.Error(err)
		}
		for key, value := range values {
			if got := v.attributes(key).Bytes(command.AttrValue); !bytes.Equal(got, value) {
				t.Errorf("object %d has the value %x, was given %x", key, got, value)
			}
		}
	}
}

func TestCheckValuesAreThoseOfTheStandard(t *testing.T) {
	u := ready(t)
	for key, want := range map[string]string{ // NIST AESAVS, appendix B, and FIPS 197
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00": "\x66\xe9\x4b",
		"\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00": "\x0e\xdd\x33",
	} {
		got := u.attributes(u.create(rawAES(command.AttrValue, []byte(key))), command.AttrCheckValue)
		if !bytes.Equal(got.Bytes(command.AttrCheckValue), []byte(want)) {
			t.Errorf("%v, want %x", got, want)
		}
	}
}

func TestPublicKeyInfoIsTheKey(t *testing.T) {
	u := ready(t)
	for _, pair := range []command.KeyPairResponse{u.ec("ec", p256), u.rsa("rsa", 2048)} {
		public := u.attributes(pair.Public, command.AttrPublicKeyInfo).Bytes(command.AttrPublicKeyInfo)
		private := u.attributes(pair.Private, command.AttrPublicKeyInfo).Bytes(command.AttrPublicKeyInfo)
		key, err := x509.ParsePKIXPublicKey(public)
		if err != nil || !bytes.Equal(public, private) {
			t.Fatalf("%v; %x and %x", err, public, private)
		}
		again, err := x509.MarshalPKIXPublicKey(key)
		if err != nil || !bytes.Equal(again, public) {
			t.Errorf("%x, %v", again, err)
		}
		if found := u.find(command.Template{command.AttrPublicKeyInfo: public}); len(found) != 2 {
			t.Errorf("found %v", found)
		}
	}
}

func TestRefusedObjects(t *testing.T) {
	u := ready(t)
	long := make([]byte, 32<<10+1)
	for name, c := range map[string]struct {
		want command.Status
		t    command.Template
	}{
		"nothing":                {command.StatusTemplateIncomplete, command.Template{}},
		"no class":               {command.StatusTemplateIncomplete, command.Template{command.AttrLabel: "x"}},
		"class 5":                {command.StatusAttributeValueInvalid, command.Template{command.AttrClass: uint64(5)}},
		"huge class":             {command.StatusAttributeValueInvalid, command.Template{command.AttrClass: ^uint64(0)}},
		"no key type":            {command.StatusTemplateIncomplete, command.Template{command.AttrClass: command.ClassSecretKey}},
		"unknown key type":       {command.StatusAttributeValueInvalid, rawAES(command.AttrKeyType, uint64(0x7777))},
		"secret RSA key":         {command.StatusTemplateInconsistent, rawAES(command.AttrKeyType, command.KeyRSA)},
		"public AES key":         {command.StatusTemplateInconsistent, rawAES(command.AttrClass, command.ClassPublicKey)},
		"key of 17 bytes":        {command.StatusAttributeValueInvalid, rawAES(command.AttrValue, make([]byte, 17))},
		"empty key":              {command.StatusTemplateIncomplete, rawAES(command.AttrValue, []byte{})},
		"key with value-len":     {command.StatusTemplateInconsistent, rawAES(command.AttrValueLen, uint64(16))},
		"key without protection": {command.StatusSecretMustBeSensitive, rawAES(command.AttrSensitive, false)},
		"public secret key":      {command.StatusTemplateInconsistent, rawAES(command.AttrPrivate, false)},
		"local key":              {command.StatusAttributeReadOnly, rawAES(command.AttrLocal, true)},
		"data with an id":        {command.StatusTemplateInconsistent, data(command.AttrID, []byte{1})},
		"data with a use":        {command.StatusTemplateInconsistent, data(command.AttrSign, true)},
		"large data":             {command.StatusAttributeValueInvalid, data(command.AttrValue, long)},
		"certificate of nothing": {command.StatusTemplateIncomplete, token("x", command.AttrClass, command.ClassCertificate)},
		"certificate of junk":    {command.StatusTemplateIncomplete, token("x", command.AttrClass, command.ClassCertificate, command.AttrValue, []byte("junk"))},
		"other certificate":      {command.StatusAttributeValueInvalid, token("x", command.AttrClass, command.ClassCertificate, command.AttrValue, []byte("x"), command.AttrCertificateType, uint64(1))},
		"point of nothing":       {command.StatusAttributeValueInvalid, token("x", command.AttrClass, command.ClassPublicKey, command.AttrKeyType, command.KeyEC, command.AttrECParams, p256, command.AttrECPoint, []byte{4, 1, 9})},
		"scalar of zero":         {command.StatusAttributeValueInvalid, token("x", command.AttrClass, command.ClassPrivateKey, command.AttrKeyType, command.KeyEC, command.AttrECParams, p256, command.AttrValue, make([]byte, 32))},
		"scalar too long":        {command.StatusAttributeValueInvalid, token("x", command.AttrClass, command.ClassPrivateKey, command.AttrKeyType, command.KeyEC, command.AttrECParams, p256, command.AttrValue, bytes.Repeat([]byte{255}, 33))},
		"unknown attribute":      {command.StatusAttributeTypeInvalid, data(command.AttributeType(0x9999), true)},
		"truth as number":        {command.StatusAttributeValueInvalid, data(command.AttrToken, uint64(1))},
		"no date":                {command.StatusAttributeValueInvalid, rawAES(command.AttrStartDate, "20261331")},
		"half a mechanism":       {command.StatusAttributeValueInvalid, rawAES(command.AttrAllowedMechanisms, []byte{0, 0, 1})},
		"always authenticate": {command.StatusTemplateInconsistent, token("x", command.AttrClass, command.ClassPrivateKey, command.AttrKeyType, command.KeyEC, command.AttrECParams, p256,
			command.AttrValue, []byte{1}, command.AttrAlwaysAuthenticate, true)},
		"trusted by the CO": {command.StatusAttributeReadOnly, data(command.AttrTrusted, true)},
	} {
		t.Run(name, func(t *testing.T) {
			u.t = t
			u.refuseCreate(c.want, c.t)
		})
	}
	if n := len(u.find(nil)); n != 0 {
		t.Errorf("%d objects were left behind", n)
	}
}

func TestCopiesAreNeverLessProtected(t *testing.T) {
	u := ready(t)
	key := u.secret(command.MechAESKeyGen, token("key", command.AttrValueLen, uint64(16), command.AttrExtractable, true))
	plain, c := []byte("attack at dawn!!"), command.Mechanism{Type: command.MechAESCBC, IV: make([]byte, 16)}
	encrypt := func(h command.Handle) []byte {
		var r command.CipherResponse
		u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: c, Key: h, Data: plain}, &r)
		return r.Data
	}
	strict := u.copy(key, command.Template{command.AttrLabel: "strict", command.AttrExtractable: false, command.AttrModifiable: false, command.AttrToken: false})
	if !bytes.Equal(encrypt(key), encrypt(strict)) {
		t.Error("the copy is another key")
	}
	got := u.attributes(strict)
	if got.Bool(command.AttrExtractable, true) || got.Bool(command.AttrNeverExtractable, true) || !got.Bool(command.AttrAlwaysSensitive, false) ||
		!got.Bool(command.AttrLocal, false) || got.Text(command.AttrLabel) != "strict" || got.Bool(command.AttrToken, true) {
		t.Errorf("%v", got)
	}
	if got.Text(command.AttrUniqueID) == u.attributes(key).Text(command.AttrUniqueID) {
		t.Error("two objects have one unique-id")
	}
	refuse := func(want command.Status, h command.Handle, t command.Template) {
		u.t.Helper()
		u.do(want, command.CodeCopyObject, u.user, &command.CopyObjectRequest{Object: h, Template: t}, nil)
	}
	refuse(command.StatusAttributeReadOnly, strict, command.Template{command.AttrExtractable: true})
	refuse(command.StatusAttributeReadOnly, strict, command.Template{command.AttrLabel: "x"})
	refuse(command.StatusAttributeReadOnly, key, command.Template{command.AttrSensitive: false})
	refuse(command.StatusAttributeReadOnly, key, command.Template{command.AttrLocal: false})
	refuse(command.StatusTemplateInconsistent, key, command.Template{command.AttrPrivate: false})
	refuse(command.StatusAttributeNotFound, key, command.Template{command.AttrSubject: []byte{1}})
	refuse(command.StatusObjectHandleInvalid, 999, nil)
	u.copy(strict, command.Template{command.AttrLabel: "strict"}) // what it is already
	fixed := u.create(data(command.AttrCopyable, false))
	refuse(command.StatusOperationRestricted, fixed, nil)
	readOnly := u.open(command.SlotPartition, true)
	u.do(command.StatusSessionReadOnly, command.CodeCopyObject, readOnly, &command.CopyObjectRequest{Object: key}, nil)
}

func TestObjectsThatAreNotDestroyable(t *testing.T) {
	u := ready(t)
	h := u.create(data(command.AttrDestroyable, false))
	u.do(command.StatusOperationRestricted, command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: h}, nil)
	u.ok(command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: h, Attributes: command.Template{command.AttrDestroyable: true}}, nil)
	u.ok(command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: h}, nil)
}

func TestSizesGrowWithTheObject(t *testing.T) {
	u := ready(t)
	size := func(h command.Handle) uint64 {
		var r command.ObjectSizeResponse
		u.ok(command.CodeObjectSize, u.user, &command.ObjectSizeRequest{Object: h}, &r)
		return r.Bytes
	}
	small, large := size(u.create(data())), size(u.create(data(command.AttrValue, make([]byte, 1000))))
	if small == 0 || large < small+990 {
		t.Errorf("%d and %d bytes", small, large)
	}
	u.do(command.StatusObjectHandleInvalid, command.CodeObjectSize, u.user, &command.ObjectSizeRequest{Object: 99}, nil)
}

func TestAllowedMechanisms(t *testing.T) {
	u := ready(t)
	h := u.create(rawAES(command.AttrAllowedMechanisms, []byte{0, 0, 0x10, 0x87}))
	u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: h}, new(command.CipherResponse))
	u.do(command.StatusMechanismInvalid, command.CodeEncrypt, u.user, &command.CipherRequest{
		Mechanism: command.Mechanism{Type: command.MechAESCBCPad, IV: make([]byte, 16)}, Key: h,
	}, nil)
}

func TestPoliciesOfTheKeysOfAPartition(t *testing.T) {
	many := token("k", command.AttrValueLen, uint64(16), command.AttrEncrypt, true, command.AttrWrap, true)
	generate := func(u *unit, want command.Status, t command.Template) {
		u.t.Helper()
		u.do(want, command.CodeGenerateKey, u.user, &command.GenerateKeyRequest{Mechanism: command.Mechanism{Type: command.MechAESKeyGen}, Template: t}, new(command.ObjectResponse))
	}
	t.Run("10 multipurpose keys", func(t *testing.T) {
		generate(ready(t), command.StatusOK, many)
		u := under(t, set(policy.MultipurposeKeys, 0))
		generate(u, command.StatusMultiFunctionKey, many)
		u.refuseCreate(command.StatusMultiFunctionKey, rawAES(command.AttrDerive, true, command.AttrEncrypt, true))
		h := u.aes("one purpose")
		if pair := u.attributes(u.rsa("one purpose", 2048).Private); !pair.Bool(command.AttrSign, false) || pair.Bool(command.AttrDecrypt, true) {
			t.Errorf("an RSA key for %v", pair)
		}
		u.do(command.StatusMultiFunctionKey, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: h, Attributes: command.Template{command.AttrDerive: true}}, nil)
		u.do(command.StatusMultiFunctionKey, command.CodeCopyObject, u.user, &command.CopyObjectRequest{Object: h, Template: command.Template{command.AttrDerive: true}}, nil)
	})
	t.Run("11 changing key attributes", func(t *testing.T) {
		u := under(t, set(policy.ChangeKeyAttributes, 0))
		h := u.aes("fixed")
		u.do(command.StatusCanNotChangeFunction, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: h, Attributes: command.Template{command.AttrDecrypt: false}}, nil)
		u.do(command.StatusCanNotChangeFunction, command.CodeCopyObject, u.user, &command.CopyObjectRequest{Object: h, Template: command.Template{command.AttrDecrypt: false}}, nil)
		u.ok(command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: h, Attributes: command.Template{command.AttrLabel: "x"}}, nil)
	})
	t.Run("17 signing with non-local keys", func(t *testing.T) {
		u := under(t, set(policy.SignNonLocalKeys, 0))
		h := u.create(token("x", command.AttrClass, command.ClassPrivateKey, command.AttrKeyType, command.KeyEC, command.AttrECParams, p256, command.AttrValue, []byte{5}))
		request := &command.SignRequest{Mechanism: command.Mechanism{Type: command.MechECDSA}, Key: h, Data: make([]byte, 32)}
		u.do(command.StatusSigningKeyMustBeLocal, command.CodeSign, u.user, request, nil)
		request.Key = u.ec("local", p256).Private
		u.ok(command.CodeSign, u.user, request, new(command.SignResponse))
	})
	t.Run("28 key management functions", func(t *testing.T) {
		u := under(t)
		h := u.aes("before")
		u.changePolicy(set(policy.KeyManagement, 0))
		generate(u, command.StatusOperationRestricted, token("k", command.AttrValueLen, uint64(16)))
		u.refuseCreate(command.StatusOperationRestricted, rawAES())
		u.do(command.StatusOperationRestricted, command.CodeCopyObject, u.user, &command.CopyObjectRequest{Object: h}, nil)
		u.do(command.StatusOperationRestricted, command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: h}, nil)
		u.create(data())
		u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: h}, new(command.CipherResponse))
	})
	t.Run("39 start and end dates", func(t *testing.T) {
		dated := token("k", command.AttrValueLen, uint64(16), command.AttrEndDate, "20301231")
		u := ready(t)
		generate(u, command.StatusOperationRestricted, dated)
		u.do(command.StatusOperationRestricted, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: u.aes("k"), Attributes: command.Template{command.AttrStartDate: "20260101"}}, nil)
		generate(under(t, set(policy.StartEndDates, 1)), command.StatusOK, dated)
	})
	t.Run("2, 6 and 43 import of keys", func(t *testing.T) {
		for _, id := range []policy.ID{policy.SecretKeyUnwrapping, policy.PartitionNonFIPS} {
			u := under(t, set(id, 0))
			u.refuseCreate(command.StatusOperationRestricted, rawAES())
			u.create(data())
		}
		u := under(t, set(policy.PrivateKeyUnwrapping, 0))
		u.create(rawAES())
		u.refuseCreate(command.StatusOperationRestricted, token("x", command.AttrClass, command.ClassPrivateKey, command.AttrKeyType, command.KeyEC, command.AttrECParams, p256, command.AttrValue, []byte{5}))
	})
}

// changePolicy has the Partition SO change policies, and the Crypto Officer go on.
func (u *unit) changePolicy(settings ...command.PolicySetting) {
	u.t.Helper()
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RolePO)
	u.ok(command.CodePartitionPolicyChange, u.user, &command.PolicyChangeRequest{Settings: settings}, nil)
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RoleCO)
}
