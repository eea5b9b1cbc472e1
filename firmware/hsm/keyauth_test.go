package hsm_test

import (
	"bytes"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

// The authorization data of the tests.
var (
	keyPIN   = []byte("key-pin-canary")
	otherPIN = []byte("another-pin-canary")
)

// guardedKey is an AES key with authorization data, on a partition of version 1.
func guardedKey(t testing.TB, settings ...command.PolicySetting) (*unit, command.Handle) {
	t.Helper()
	u := under(t, append(settings, set(policy.PartitionVersion, 1))...)
	return u, u.secret(command.MechAESKeyGen, token("guarded", command.AttrValueLen, uint64(16), command.AttrAuthData, bytes.Clone(keyPIN)))
}

func (u *unit) use(want command.Status, session uint32, key command.Handle) {
	u.t.Helper()
	u.do(want, command.CodeEncrypt, session, &command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: key}, new(command.CipherResponse))
}

func (u *unit) authorize(want command.Status, session uint32, key command.Handle, data []byte) {
	u.t.Helper()
	u.do(want, command.CodeKeyAuthorize, session, &command.KeyAuthorizeRequest{Key: key, Data: data}, nil)
}

func (u *unit) keyStatus(key command.Handle) command.KeyStatusResponse {
	u.t.Helper()
	var r command.KeyStatusResponse
	u.ok(command.CodeKeyStatus, u.user, &command.KeyStatusRequest{Key: key}, &r)
	return r
}

func TestAKeyWorksOnlyInSessionsThatAuthorisedIt(t *testing.T) {
	u, key := guardedKey(t)
	second := u.open(command.SlotPartition, false)
	u.use(command.StatusKeyNotAuthorized, u.user, key)
	u.authorize(command.StatusOK, u.user, key, keyPIN)
	u.use(command.StatusOK, u.user, key)
	u.use(command.StatusKeyNotAuthorized, second, key)
	if s := u.keyStatus(key); s.Status != command.KeyAuthDataSet || !s.Authorised || s.Failures != 0 || s.FailureLimit != 3 {
		t.Errorf("%+v", s)
	}

	u.authorize(command.StatusOK, u.user, key, nil)
	u.use(command.StatusKeyNotAuthorized, u.user, key)

	u.authorize(command.StatusOK, u.user, key, keyPIN)
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RoleCO)
	u.use(command.StatusKeyNotAuthorized, u.user, key)
	u.authorize(command.StatusOK, u.user, key, keyPIN)
	u = u.again()
	u.use(command.StatusKeyNotAuthorized, u.user, key)
	u.authorize(command.StatusOK, u.user, key, keyPIN)
	u.use(command.StatusOK, u.user, key)
}

func TestWrongAuthorizationDataLockTheKey(t *testing.T) {
	u, key := guardedKey(t)
	u.authorize(command.StatusAuthDataIncorrect, u.user, key, otherPIN)
	u.authorize(command.StatusOK, u.user, key, keyPIN) // gives the attempts back
	u.authorize(command.StatusAuthDataIncorrect, u.user, key, otherPIN)
	u = u.again() // a cut of the power does not
	if s := u.keyStatus(key); s.Failures != 1 || u.attributes(key, command.AttrFailedAuthCount)[command.AttrFailedAuthCount] != uint64(1) {
		t.Errorf("%+v", s)
	}
	u.authorize(command.StatusAuthDataIncorrect, u.user, key, otherPIN)
	u.authorize(command.StatusAuthDataIncorrectLimit, u.user, key, otherPIN)
	u.authorize(command.StatusKeyCannotBeAuthorized, u.user, key, keyPIN)
	u.use(command.StatusKeyNotActive, u.user, key)
	if s := u.keyStatus(key).Status; s != command.KeyAuthDataSet|command.KeyLockedFailedAuth || !s.Locked() {
		t.Errorf("status %#x", s)
	}

	u.ok(command.CodeKeyUnblock, u.user, &command.KeyUnblockRequest{Key: key}, nil)
	u.authorize(command.StatusOK, u.user, key, keyPIN)
	u.use(command.StatusOK, u.user, key)
}

func TestACopyGivesNoMoreAttempts(t *testing.T) {
	u, key := guardedKey(t)
	copied := func(want command.Status) command.Handle {
		t.Helper()
		var r command.ObjectResponse
		u.do(want, command.CodeCopyObject, u.user, &command.CopyObjectRequest{Object: key, Template: command.Template{command.AttrToken: false}}, &r)
		return r.Object
	}
	copied(command.StatusKeyNotAuthorized)
	u.authorize(command.StatusAuthDataIncorrect, u.user, key, otherPIN)
	copied(command.StatusKeyNotAuthorized)
	u.authorize(command.StatusOK, u.user, key, keyPIN)
	second := copied(command.StatusOK)
	u.use(command.StatusKeyNotAuthorized, u.user, second) // its data is the same, but a session authorises a key
	u.authorize(command.StatusOK, u.user, second, keyPIN)
	u.use(command.StatusOK, u.user, second)
}

func TestAuthorizationDataChange(t *testing.T) {
	u, key := guardedKey(t)
	change := func(want command.Status, old, new []byte) {
		t.Helper()
		u.do(want, command.CodeKeySetAuthorization, u.user, &command.KeySetAuthorizationRequest{Key: key, Old: old, New: new}, nil)
	}
	u.authorize(command.StatusOK, u.user, key, keyPIN)
	change(command.StatusAuthDataIncorrect, otherPIN, otherPIN)
	change(command.StatusAuthDataIncorrect, nil, otherPIN)
	change(command.StatusAuthDataTooSmall, keyPIN, []byte("abc"))
	change(command.StatusAuthDataTooLarge, keyPIN, make([]byte, 256))
	change(command.StatusOK, keyPIN, otherPIN)
	u.use(command.StatusKeyNotAuthorized, u.user, key) // under the old data it was
	u.authorize(command.StatusAuthDataIncorrect, u.user, key, keyPIN)
	u.authorize(command.StatusOK, u.user, key, otherPIN)

	reset := &command.KeyResetAuthorizationRequest{Key: key, Data: keyPIN}
	u.ok(command.CodeKeyResetAuthorization, u.user, reset, nil)
	u.authorize(command.StatusOK, u.user, key, keyPIN)

	free := u.aes("without")
	u.use(command.StatusOK, u.user, free)
	u.authorize(command.StatusKeyCannotBeAuthorized, u.user, free, keyPIN)
	key = free
	change(command.StatusKeyCannotBeAuthorized, keyPIN, otherPIN)
	change(command.StatusOK, nil, keyPIN)
	u.use(command.StatusKeyNotAuthorized, u.user, free)
}

// TestOnlyOneCanBeTheFirstToSetAuthorizationData has somebody else do so while the
// command computes.
func TestOnlyOneCanBeTheFirstToSetAuthorizationData(t *testing.T) {
	u, _ := guardedKey(t)
	key := u.aes("without")
	h := &hook{size: 16}
	u = powerOnWith(t, u.flash, h)
	u.user = u.open(command.SlotPartition, false)
	u.logIn(command.RoleCO)
	change := func(want command.Status, old, new []byte) {
		t.Helper()
		u.do(want, command.CodeKeySetAuthorization, u.user, &command.KeySetAuthorizationRequest{Key: key, Old: old, New: new}, nil)
	}
	h.during = func() { change(command.StatusOK, nil, keyPIN) }
	change(command.StatusAuthDataIncorrect, nil, otherPIN)
	u.authorize(command.StatusOK, u.user, key, keyPIN)
}

func TestAssignedKeysBelongToWhoKnowsTheirData(t *testing.T) {
	u, key := guardedKey(t)
	assign := func(want command.Status, key command.Handle) {
		t.Helper()
		u.do(want, command.CodeKeyAssign, u.user, &command.KeyAssignRequest{Key: key}, nil)
	}
	assign(command.StatusAssignedNeedsAuthData, u.aes("without"))
	assign(command.StatusOK, key)
	assign(command.StatusAssignedUnchangeable, key)
	u = u.again()
	if !u.keyStatus(key).Assigned || !u.attributes(key).Bool(command.AttrAssigned, false) {
		t.Error("not assigned")
	}
	u.do(command.StatusAssignedCannotBeReset, command.CodeKeyResetAuthorization, u.user, &command.KeyResetAuthorizationRequest{Key: key, Data: otherPIN}, nil)
	u.do(command.StatusAssignedUnchangeable, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: key, Attributes: command.Template{command.AttrLabel: "x"}}, nil)
	u.do(command.StatusAssignedUnchangeable, command.CodeCopyObject, u.user, &command.CopyObjectRequest{Object: key}, nil)
	u.ok(command.CodeKeySetAuthorization, u.user, &command.KeySetAuthorizationRequest{Key: key, Old: keyPIN, New: otherPIN}, nil)
	u.authorize(command.StatusOK, u.user, key, otherPIN)
	u.use(command.StatusOK, u.user, key)
	u.ok(command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: key}, nil)
}

func TestRolesOfPerKeyAuthorization(t *testing.T) {
	u, key := guardedKey(t)
	free := u.aes("without")
	generate := func(want command.Status, more ...any) command.Handle {
		t.Helper()
		var r command.ObjectResponse
		u.do(want, command.CodeGenerateKey, u.user, &command.GenerateKeyRequest{
			Mechanism: command.Mechanism{Type: command.MechAESKeyGen},
			Template:  token("made", append([]any{command.AttrValueLen, uint64(16)}, more...)...),
		}, &r)
		return r.Object
	}
	generate(command.StatusCannotMakeAssigned, command.AttrAssigned, true, command.AttrAuthData, keyPIN)
	generate(command.StatusAssignedNeedsAuthData, command.AttrAssigned, true)
	generate(command.StatusAuthDataTooSmall, command.AttrAuthData, []byte("abc"))
	u.appoint(command.RoleLCO, lcoPassword)
	u.logIn(command.RoleLCO)

	destroy := func(want command.Status, h command.Handle) {
		t.Helper()
		u.do(want, command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: h}, nil)
	}
	destroy(command.StatusKeyNotAuthorized, free)
	destroy(command.StatusKeyNotAuthorized, key)
	u.authorize(command.StatusOK, u.user, key, keyPIN)
	destroy(command.StatusOK, key)

	own := generate(command.StatusOK, command.AttrAssigned, true, command.AttrAuthData, keyPIN)
	u.use(command.StatusKeyNotAuthorized, u.user, own)
	for _, code := range []command.Code{command.CodeKeyAssign, command.CodeKeyUnblock, command.CodeKeyResetAuthorization} {
		row, _ := command.Lookup(code)
		u.do(command.StatusUserNotLoggedIn, code, u.user, row.Request(), nil)
	}
}

func TestPolicy40WantsAuthorizationData(t *testing.T) {
	u, key := guardedKey(t, set(policy.PerKeyAuthorization, 1))
	u.authorize(command.StatusOK, u.user, key, keyPIN)
	u.do(command.StatusAuthDataNotProvided, command.CodeGenerateKey, u.user, &command.GenerateKeyRequest{
		Mechanism: command.Mechanism{Type: command.MechAESKeyGen}, Template: token("k", command.AttrValueLen, uint64(16)),
	}, nil)
	u.do(command.StatusAuthDataNotProvided, command.CodeGenerateKeyPair, u.user, &command.GenerateKeyPairRequest{
		Mechanism: command.Mechanism{Type: command.MechECKeyPairGen}, Public: token("k", command.AttrECParams, p256), Private: token("k"),
	}, nil)
	u.pair(command.MechECKeyPairGen, token("k", command.AttrECParams, p256), token("k", command.AttrAuthData, keyPIN))
	u.refuseCreate(command.StatusAuthDataNotProvided, rawAES())
	u.create(data())
}

func TestPartitionsOfVersion0IgnoreAuthorizationData(t *testing.T) {
	u := under(t, set(policy.PerKeyAuthorization, 1))
	key := u.secret(command.MechAESKeyGen, token("k", command.AttrValueLen, uint64(16), command.AttrAuthData, keyPIN, command.AttrAssigned, true))
	u.use(command.StatusOK, u.user, key)
	if s := u.keyStatus(key); s.Status != 0 || s.Assigned {
		t.Errorf("%+v", s)
	}
	u.authorize(command.StatusOperationRestricted, u.user, key, keyPIN)
}

func TestAuthorizationDataIsNowhereToBeSeen(t *testing.T) {
	u, key := guardedKey(t)
	u.do(command.StatusAttributeSensitive, command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: key, Types: []command.AttributeType{command.AttrAuthData}}, nil)
	u.do(command.StatusAttributeSensitive, command.CodeFindObjects, u.user, &command.FindObjectsRequest{Template: command.Template{command.AttrAuthData: keyPIN}}, nil)
	if _, leaked := u.attributes(key)[command.AttrAuthData]; leaked {
		t.Error("authorization data can be read")
	}
	if holds(image(t, u.flash), string(keyPIN)) {
		t.Error("authorization data is on the flash")
	}
	u.authorize(command.StatusObjectHandleInvalid, u.user, 99, keyPIN)
	u.authorize(command.StatusKeyCannotBeAuthorized, u.user, u.create(data()), keyPIN)
	u.do(command.StatusKeyTypeInconsistent, command.CodeKeyStatus, u.user, &command.KeyStatusRequest{Key: u.create(data())}, nil)
}

func TestSessionKeysCanHaveAuthorizationData(t *testing.T) {
	u, _ := guardedKey(t)
	key := u.secret(command.MechAESKeyGen, command.Template{command.AttrValueLen: uint64(16), command.AttrAuthData: keyPIN})
	u.authorize(command.StatusAuthDataIncorrect, u.user, key, otherPIN)
	u.use(command.StatusKeyNotAuthorized, u.user, key)
	u.authorize(command.StatusOK, u.user, key, keyPIN)
	u.use(command.StatusOK, u.user, key)
}
