package hsm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"usbhsm7/firmware/command"
)

func TestEveryGeneratorMakesWorkingKeys(t *testing.T) {
	u := ready(t)
	for _, size := range []uint64{16, 24, 32} {
		u.secret(command.MechAESKeyGen, token("aes", command.AttrValueLen, size))
	}
	u.secret(command.MechGenericSecretGen, token("generic", command.AttrValueLen, uint64(64)))
	for _, curve := range [][]byte{p256, p384} {
		pair := u.ec("ec", curve)
		public, private := u.attributes(pair.Public), u.attributes(pair.Private)
		if !bytes.Equal(public.Bytes(command.AttrECPoint), private.Bytes(command.AttrECPoint)) || !bytes.Equal(public.Bytes(command.AttrECParams), curve) {
			t.Error("the halves of an EC pair differ")
		}
	}
	pair := u.rsa("rsa", 2048)
	public, private := u.attributes(pair.Public), u.attributes(pair.Private)
	if len(public.Bytes(command.AttrModulus)) != 256 || !bytes.Equal(public.Bytes(command.AttrModulus), private.Bytes(command.AttrModulus)) ||
		!bytes.Equal(public.Bytes(command.AttrPublicExponent), []byte{1, 0, 1}) {
		t.Errorf("RSA pair %v, %v", public, private)
	}
	if n := u.info().Objects; n != 10 {
		t.Errorf("%d objects, want 10", n)
	}
}

func TestRefusedGeneration(t *testing.T) {
	u := ready(t)
	readOnly := u.open(command.SlotPartition, true)
	for name, c := range map[string]struct {
		session   uint32
		mechanism command.Mechanism
		template  command.Template
		want      command.Status
	}{
		"no mechanism for keys":  {u.user, command.Mechanism{Type: command.MechAESGCM}, nil, command.StatusMechanismInvalid},
		"unknown mechanism":      {u.user, command.Mechanism{Type: 0x7777}, nil, command.StatusMechanismInvalid},
		"mechanism for pairs":    {u.user, command.Mechanism{Type: command.MechECKeyPairGen}, nil, command.StatusMechanismInvalid},
		"parameters":             {u.user, command.Mechanism{Type: command.MechAESKeyGen, TagBits: 96}, nil, command.StatusMechanismParamInvalid},
		"no size":                {u.user, command.Mechanism{Type: command.MechAESKeyGen}, nil, command.StatusTemplateIncomplete},
		"odd size":               {u.user, command.Mechanism{Type: command.MechAESKeyGen}, command.Template{command.AttrValueLen: uint64(17)}, command.StatusKeySizeRange},
		"huge size":              {u.user, command.Mechanism{Type: command.MechGenericSecretGen}, command.Template{command.AttrValueLen: ^uint64(0)}, command.StatusKeySizeRange},
		"token, read-only":       {readOnly, command.Mechanism{Type: command.MechAESKeyGen}, token("x", command.AttrValueLen, uint64(16)), command.StatusSessionReadOnly},
		"value of unwanted kind": {u.user, command.Mechanism{Type: command.MechAESKeyGen}, command.Template{command.AttrValueLen: "16"}, command.StatusAttributeValueInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			u.do(c.want, command.CodeGenerateKey, c.session, &command.GenerateKeyRequest{Mechanism: c.mechanism, Template: c.template}, nil)
		})
	}
	pair := func(want command.Status, m command.MechanismType, public, private command.Template) {
		t.Helper()
		u.do(want, command.CodeGenerateKeyPair, u.user, &command.GenerateKeyPairRequest{Mechanism: command.Mechanism{Type: m}, Public: public, Private: private}, nil)
	}
	pair(command.StatusKeySizeRange, command.MechRSAKeyPairGen, command.Template{command.AttrModulusBits: uint64(1024)}, nil)
	pair(command.StatusKeySizeRange, command.MechECKeyPairGen, command.Template{command.AttrECParams: []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x06}}, nil)
	pair(command.StatusTemplateIncomplete, command.MechECKeyPairGen, nil, nil)
	pair(command.StatusMechanismInvalid, command.MechAESKeyGen, nil, nil)
	pair(command.StatusPrivateMustBeSensitive, command.MechECKeyPairGen, command.Template{command.AttrECParams: p256}, command.Template{command.AttrSensitive: false})
	if n := u.info().Objects; n != 0 {
		t.Errorf("%d objects were left behind", n)
	}
}

func TestSessionObjectsLiveWithTheirSession(t *testing.T) {
	u := ready(t)
	second := u.open(command.SlotPartition, true)
	var made command.ObjectResponse
	u.ok(command.CodeGenerateKey, second, &command.GenerateKeyRequest{
		Mechanism: command.Mechanism{Type: command.MechAESKeyGen}, Template: command.Template{command.AttrValueLen: uint64(16)},
	}, &made)
	pair := u.pair(command.MechECKeyPairGen, command.Template{command.AttrECParams: p256}, nil)
	u.attributes(made.Object) // seen by the host's other session
	u.ok(command.CodeSetAttributes, second, &command.SetAttributesRequest{Object: made.Object, Attributes: command.Template{command.AttrLabel: "renamed"}}, nil)
	if got := u.find(command.Template{command.AttrLabel: "renamed"}); !slices.Equal(got, []command.Handle{made.Object}) {
		t.Errorf("found %v", got)
	}
	other := u.hsm.Connect()
	foreign := u.openOn(other, command.SlotPartition, false)
	u.on(other, command.StatusObjectHandleInvalid, command.CodeGetAttributes, foreign, &command.GetAttributesRequest{Object: pair.Public}, nil)

	u.ok(command.CodeSessionClose, second, nil, nil)
	u.do(command.StatusObjectHandleInvalid, command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: made.Object}, nil)
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.attributes(pair.Public)
	u.logIn(command.RoleCO)
	u.do(command.StatusObjectHandleInvalid, command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: pair.Private}, nil)
	u.ok(command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: pair.Public}, nil)
	if n := len(u.find(nil)); n != 0 || u.info().Objects != 0 {
		t.Errorf("%d objects left", n)
	}
}

func TestPrivateObjectsNeedTheCO(t *testing.T) {
	u := ready(t)
	pair := u.ec("pair", p256)
	secret := u.pair(command.MechECKeyPairGen, token("hidden public", command.AttrECParams, p256, command.AttrPrivate, true), token("x")).Public
	u.ok(command.CodeLogout, u.user, nil, nil)
	for _, role := range []command.Role{command.RoleNone, command.RolePO} {
		if role != command.RoleNone {
			u.logIn(role)
		}
		if got := u.find(nil); !slices.Equal(got, []command.Handle{pair.Public}) {
			t.Errorf("%v finds %v, want the public key alone", role, got)
		}
		for _, h := range []command.Handle{pair.Private, secret} {
			u.do(command.StatusObjectHandleInvalid, command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: h}, nil)
		}
	}
	sig := make([]byte, 64)
	u.do(command.StatusSignatureInvalid, command.CodeVerify, u.user, &command.VerifyRequest{
		Mechanism: command.Mechanism{Type: command.MechECDSA}, Key: pair.Public, Data: make([]byte, 32), Signature: sig,
	}, nil)
}

func TestPrivateObjectsStayWhileAnotherCOIsLoggedIn(t *testing.T) {
	u := ready(t)
	key := u.aes("shared")
	other := u.hsm.Connect()
	session := u.openOn(other, command.SlotPartition, false)
	u.on(other, command.StatusOK, command.CodeLogin, session, &command.LoginRequest{Role: command.RoleCO, Password: []byte(coPassword)}, nil)
	u.ok(command.CodeLogout, u.user, nil, nil)
	var r command.GetAttributesResponse
	u.on(other, command.StatusOK, command.CodeGetAttributes, session, &command.GetAttributesRequest{Object: key}, &r)
	u.do(command.StatusObjectHandleInvalid, command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: key}, nil)
	if got := u.find(nil); len(got) != 0 {
		t.Errorf("found %v without a login", got)
	}
	other.Close()
	u.logIn(command.RoleCO)
	u.attributes(key)
}

func TestHandlesAreStableAndNotReused(t *testing.T) {
	u := ready(t)
	a, b := u.aes("a"), u.aes("b")
	u.ok(command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: b}, nil)
	u.do(command.StatusObjectHandleInvalid, command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: b}, nil)
	u = u.again()
	if got := u.find(token("a")); !slices.Equal(got, []command.Handle{a}) {
		t.Errorf("found %v, want %d", got, a)
	}
	if c := u.aes("c"); c <= b {
		t.Errorf("handle %d after %d was destroyed", c, b)
	}
	for _, h := range []command.Handle{0, b, 1 << 31, 0xFFFFFFFF} {
		u.do(command.StatusObjectHandleInvalid, command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: h}, nil)
	}
}

func TestFindGivesPagesInHandleOrder(t *testing.T) {
	u := ready(t)
	want := make([]command.Handle, 0, 8)
	for range 5 {
		want = append(want, u.aes("page"))
	}
	u.aes("other")
	for range 3 { // session objects come last
		want = append(want, u.secret(command.MechAESKeyGen, command.Template{command.AttrLabel: "page", command.AttrValueLen: uint64(16)}))
	}
	for _, size := range []uint{0, 1, 3, 8, 5000} {
		var got []command.Handle
		for more := true; more; {
			var r command.FindObjectsResponse
			after := command.Handle(0)
			if len(got) > 0 {
				after = got[len(got)-1]
			}
			u.ok(command.CodeFindObjects, u.user, &command.FindObjectsRequest{Template: command.Template{command.AttrLabel: "page"}, After: after, Max: size}, &r)
			got, more = append(got, r.Objects...), r.More
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d give %v, want %v", size, got, want)
		}
	}
	if got := u.find(command.Template{command.AttrLabel: "page", command.AttrToken: false}); len(got) != 3 {
		t.Errorf("found %v", got)
	}
	a, b := u.ec("a curve", p256), u.ec("a curve", p384)
	if got := u.find(command.Template{command.AttrECParams: p384, command.AttrClass: command.ClassPublicKey}); !slices.Equal(got, []command.Handle{b.Public}) {
		t.Errorf("found %v on P-384, want %v and not %v", got, b, a)
	}
	u.do(command.StatusAttributeSensitive, command.CodeFindObjects, u.user, &command.FindObjectsRequest{Template: command.Template{command.AttrValue: []byte{1}}}, nil)
}

func TestSetAttributesAreStored(t *testing.T) {
	u := ready(t)
	pair := u.ec("before", p256)
	key := u.aes("before")
	for _, h := range []command.Handle{pair.Public, pair.Private, key} {
		u.ok(command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: h, Attributes: command.Template{command.AttrLabel: "after", command.AttrID: []byte("id")}}, nil)
	}
	u.ok(command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: pair.Private, Attributes: command.Template{command.AttrSign: false}}, nil)
	readOnly := u.open(command.SlotPartition, true)
	u.do(command.StatusSessionReadOnly, command.CodeSetAttributes, readOnly, &command.SetAttributesRequest{Object: key, Attributes: command.Template{command.AttrLabel: "x"}}, nil)
	u.do(command.StatusSessionReadOnly, command.CodeDestroyObject, readOnly, &command.DestroyObjectRequest{Object: key}, nil)
	u.do(command.StatusAttributeReadOnly, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: key, Attributes: command.Template{command.AttrExtractable: true}}, nil)
	u = u.again()
	if got := u.find(command.Template{command.AttrLabel: "after", command.AttrID: []byte("id")}); len(got) != 3 {
		t.Errorf("found %v", got)
	}
	u.do(command.StatusKeyInvalidForOperation, command.CodeSign, u.user, &command.SignRequest{
		Mechanism: command.Mechanism{Type: command.MechECDSA}, Key: pair.Private, Data: make([]byte, 32),
	}, nil)
}

func TestLimitOfSessions(t *testing.T) {
	u := newUnit(t)
	other := u.hsm.Connect()
	for range 1023 {
		u.openOn(other, command.SlotAdmin, true)
	}
	u.do(command.StatusMultipleAccessDisabled, command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: command.SlotAdmin}, nil)
	u.do(command.StatusTokenNotPresent, command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: 2}, nil)
	other.Close()
	u.open(command.SlotAdmin, false)
}

func TestLimitOfSessionObjects(t *testing.T) {
	u := ready(t)
	request, err := command.Marshal(&command.GenerateKeyRequest{Mechanism: command.Mechanism{Type: command.MechAESKeyGen}, Template: command.Template{command.AttrValueLen: uint64(16)}})
	if err != nil {
		t.Fatal(err)
	}
	status := command.StatusOK
	n := 0
	for ; status == command.StatusOK && n < 5000; n++ {
		status, _ = u.host.Execute(context.Background(), command.CodeGenerateKey, u.user, request)
	}
	if status != command.StatusMaxObjectCount || n != 4097 {
		t.Errorf("%v at object %d", status, n)
	}
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RoleCO)
	u.secret(command.MechAESKeyGen, command.Template{command.AttrValueLen: uint64(16)})
}

func TestFullStorage(t *testing.T) {
	u := powerOn(t, newChip(t, 64)).initialise().createPartition().initPartition()
	u.appoint(command.RoleCO, coPassword)
	u.logIn(command.RoleCO)
	low := false
	last := command.Handle(0)
	for n := 0; ; n++ {
		payload, err := command.Marshal(&command.GenerateKeyRequest{Mechanism: command.Mechanism{Type: command.MechAESKeyGen}, Template: token(fmt.Sprint(n), command.AttrValueLen, uint64(32))})
		if err != nil {
			t.Fatal(err)
		}
		status, answer := u.host.Execute(context.Background(), command.CodeGenerateKey, u.user, payload)
		if status == command.StatusObjectStorageFull {
			break
		}
		var r command.ObjectResponse
		if err := errors.Join(status.Err(), command.Unmarshal(answer, &r)); err != nil {
			t.Fatalf("object %d: %v", n, err)
		}
		last = r.Object
	}
	for len(u.events) > 0 {
		low = (<-u.events).Code == command.EventStorageLow || low
	}
	if !low {
		t.Error("no event told that the storage ran low")
	}
	count := u.info().Objects
	if got := len(u.find(nil)); got != int(count) {
		t.Errorf("%d objects found, %d counted", got, count)
	}
	u.ok(command.CodeLogout, u.admin, nil, nil)
	u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "a wrong one") // counted even now
	u = u.again()
	if n := u.info().Objects; n != count || u.role(u.admin, command.RoleSO).AttemptsLeft != 2 {
		t.Errorf("%d objects after a reboot, want %d", n, count)
	}
	for _, h := range u.find(nil)[:5] {
		u.ok(command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: h}, nil)
	}
	if h := u.aes("fits again"); h <= last {
		t.Errorf("handle %d, want one above %d", h, last)
	}
	u.logIn(command.RoleSO)
	u.ok(command.CodeHSMZeroize, u.admin, nil, nil)
	if s := u.reboot().info().State; s != command.HSMZeroized {
		t.Errorf("state %v", s)
	}
}
