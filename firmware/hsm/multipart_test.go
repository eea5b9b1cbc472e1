package hsm_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

func (u *unit) begin(want command.Status, kind command.OperationKind, m command.Mechanism, key command.Handle) []byte {
	u.t.Helper()
	var r command.OperationBeginResponse
	u.do(want, command.CodeOperationBegin, u.user, &command.OperationBeginRequest{Kind: kind, Mechanism: m, Key: key}, &r)
	return r.IV
}

func (u *unit) part(want command.Status, kind command.OperationKind, offset int, data []byte) []byte {
	u.t.Helper()
	var r command.OperationResponse
	u.do(want, command.CodeOperationUpdate, u.user, &command.OperationUpdateRequest{Kind: kind, Offset: uint64(offset), Data: data}, &r)
	return r.Data
}

func (u *unit) finish(want command.Status, kind command.OperationKind, offset int, signature []byte) []byte {
	u.t.Helper()
	var r command.OperationResponse
	u.do(want, command.CodeOperationFinish, u.user, &command.OperationFinishRequest{Kind: kind, Offset: uint64(offset), Signature: signature}, &r)
	return r.Data
}

// inParts runs a whole operation with data cut at random.
func (u *unit) inParts(t *rapid.T, kind command.OperationKind, m command.Mechanism, key command.Handle, data, signature []byte) (out, iv []byte) {
	iv = u.begin(command.StatusOK, kind, m, key)
	offset := 0
	for offset < len(data) {
		n := rapid.IntRange(0, len(data)-offset).Draw(t, "part")
		if n == 0 {
			n = len(data) - offset
		}
		out = append(out, u.part(command.StatusOK, kind, offset, data[offset:offset+n])...)
		offset += n
	}
	return append(out, u.finish(command.StatusOK, kind, offset, signature)...), iv
}

// TestPartsGiveTheResultOfOnePart cuts data anywhere, for a mechanism of each
// shape.
func TestPartsGiveTheResultOfOnePart(t *testing.T) {
	u := ready(t)
	aes, pair := u.aes("aes"), u.ec("ec", p256)
	hmac := u.secret(command.MechGenericSecretGen, token("hmac", command.AttrValueLen, uint64(32)))
	iv := make([]byte, 16)
	rapid.Check(t, func(rt *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "data")
		mac := u.sign(command.Mechanism{Type: command.MechSHA256HMAC}, hmac, data)
		if got, _ := u.inParts(rt, command.OperationSign, command.Mechanism{Type: command.MechSHA256HMAC}, hmac, data, nil); !bytes.Equal(got, mac) {
			rt.Fatalf("MAC %x, want %x", got, mac)
		}
		u.inParts(rt, command.OperationVerify, command.Mechanism{Type: command.MechSHA256HMAC}, hmac, data, mac)
		ecdsa := command.Mechanism{Type: command.MechECDSASHA256}
		signature, _ := u.inParts(rt, command.OperationSign, ecdsa, pair.Private, data, nil)
		u.ok(command.CodeVerify, u.user, &command.VerifyRequest{Mechanism: ecdsa, Key: pair.Public, Data: data, Signature: signature}, nil)
		u.inParts(rt, command.OperationVerify, ecdsa, pair.Public, data, signature)
		if got, _ := u.inParts(rt, command.OperationDigest, command.Mechanism{Type: command.MechSHA256}, 0, data, nil); !bytes.Equal(got, hashOf(data)) {
			rt.Fatalf("digest %x", got)
		}
		for _, m := range []command.Mechanism{
			{Type: command.MechAESGCM},
			{Type: command.MechAESGCM, IV: iv[:12], AAD: []byte("aad")},
			{Type: command.MechAESCBCPad, IV: iv},
			{Type: command.MechAESCTR, IV: iv},
		} {
			sealed, nonce := u.inParts(rt, command.OperationEncrypt, m, aes, data, nil)
			if nonce != nil {
				m.IV = nonce
			}
			var r command.CipherResponse
			u.ok(command.CodeDecrypt, u.user, &command.CipherRequest{Mechanism: m, Key: aes, Data: sealed}, &r)
			opened, _ := u.inParts(rt, command.OperationDecrypt, m, aes, sealed, nil)
			if !bytes.Equal(r.Data, data) || !bytes.Equal(opened, data) {
				rt.Fatalf("%v: opened %x and %x, want %x", m.Type, r.Data, opened, data)
			}
		}
	})
}

func hashOf(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

var sha256Digest = command.Mechanism{Type: command.MechSHA256}

func TestOneOperationOfEachKind(t *testing.T) {
	u := ready(t)
	aes := u.aes("aes")
	gcm := command.Mechanism{Type: command.MechAESGCM, IV: make([]byte, 12)}
	u.begin(command.StatusOK, command.OperationDigest, sha256Digest, 0)
	u.begin(command.StatusOK, command.OperationEncrypt, gcm, aes)
	u.begin(command.StatusOK, command.OperationDecrypt, gcm, aes)
	u.begin(command.StatusOperationActive, command.OperationDigest, sha256Digest, 0)
	u.do(command.StatusOperationActive, command.CodeDigest, u.user, &command.DigestRequest{Mechanism: sha256Digest}, nil)
	u.do(command.StatusOperationActive, command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: gcm, Key: aes}, nil)
	u.part(command.StatusOK, command.OperationDigest, 0, []byte("abc"))
	if got := u.finish(command.StatusOK, command.OperationDigest, 3, nil); !bytes.Equal(got, hashOf([]byte("abc"))) {
		t.Errorf("digest %x after refusals", got)
	}
	u.begin(command.StatusOK, command.OperationDigest, sha256Digest, 0)
	other := u.open(command.SlotPartition, false)
	u.ok(command.CodeDigest, other, &command.DigestRequest{Mechanism: sha256Digest}, new(command.DigestResponse))
}

// TestWhatEndsAnOperation begins a signature, lets something happen and wants the
// next step refused, and the one after it too, for there is no operation any more.
func TestWhatEndsAnOperation(t *testing.T) {
	const sign = command.OperationSign
	for name, c := range map[string]struct {
		happens func(*unit, command.KeyPairResponse)
		want    command.Status
	}{
		"a part too early": {func(u *unit, _ command.KeyPairResponse) {
			u.part(command.StatusArgumentsBad, sign, 5, nil)
		}, command.StatusOperationNotInitialized},
		"a part twice": {func(u *unit, _ command.KeyPairResponse) {
			u.part(command.StatusOK, sign, 0, []byte("x"))
		}, command.StatusArgumentsBad},
		"a signature to sign": {func(u *unit, _ command.KeyPairResponse) {
			u.finish(command.StatusArgumentsBad, sign, 0, []byte("x"))
		}, command.StatusOperationNotInitialized},
		"cancel": {func(u *unit, _ command.KeyPairResponse) {
			u.ok(command.CodeOperationCancel, u.user, &command.OperationCancelRequest{Kind: sign}, nil)
		}, command.StatusOperationNotInitialized},
		"finish": {func(u *unit, _ command.KeyPairResponse) {
			u.finish(command.StatusOK, sign, 0, nil)
		}, command.StatusOperationNotInitialized},
		"logout": {func(u *unit, _ command.KeyPairResponse) {
			u.ok(command.CodeLogout, u.user, nil, nil)
		}, command.StatusUserNotLoggedIn},
		"logout and login": {func(u *unit, _ command.KeyPairResponse) {
			u.ok(command.CodeLogout, u.user, nil, nil)
			u.logIn(command.RoleCO)
		}, command.StatusOperationNotInitialized},
		"the key destroyed": {func(u *unit, pair command.KeyPairResponse) {
			u.ok(command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: pair.Private}, nil)
		}, command.StatusObjectHandleInvalid},
		"the key's use forbidden": {func(u *unit, pair command.KeyPairResponse) {
			u.ok(command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: pair.Private, Attributes: command.Template{command.AttrSign: false}}, nil)
		}, command.StatusKeyInvalidForOperation},
		"the role reset": {func(u *unit, _ command.KeyPairResponse) { resetCO(u, nil) }, command.StatusUserNotLoggedIn},
	} {
		t.Run(name, func(t *testing.T) {
			u := ready(t)
			pair := u.ec("ec", p256)
			u.begin(command.StatusOK, sign, command.Mechanism{Type: command.MechECDSASHA256}, pair.Private)
			c.happens(u, pair)
			u.part(c.want, sign, 0, []byte("data"))
			if u.role(u.user, command.RoleCO).LoggedIn {
				u.part(command.StatusOperationNotInitialized, sign, 0, []byte("data"))
				u.finish(command.StatusOperationNotInitialized, sign, 0, nil)
			}
		})
	}
}

func TestOperationsNeedWhatTheCommandForOnePartNeeds(t *testing.T) {
	u := ready(t)
	pair, aes := u.ec("ec", p256), u.aes("aes")
	sign, cbc := command.Mechanism{Type: command.MechECDSASHA256}, command.Mechanism{Type: command.MechAESCBC, IV: make([]byte, 16)}
	u.begin(command.StatusMechanismInvalid, command.OperationSign, command.Mechanism{Type: command.MechECDSA}, pair.Private)
	u.begin(command.StatusMechanismInvalid, command.OperationSign, cbc, aes)
	u.begin(command.StatusKeyTypeInconsistent, command.OperationSign, sign, aes)
	u.begin(command.StatusObjectHandleInvalid, command.OperationSign, sign, 99)
	u.begin(command.StatusArgumentsBad, command.OperationDigest, sha256Digest, aes)
	u.begin(command.StatusArgumentsBad, 0, sign, pair.Private)
	u.begin(command.StatusArgumentsBad, 6, sign, pair.Private)
	u.begin(command.StatusOK, command.OperationEncrypt, cbc, aes)
	u.part(command.StatusOK, command.OperationEncrypt, 0, []byte("no whole block"))
	u.finish(command.StatusDataLenRange, command.OperationEncrypt, 14, nil)
	u.begin(command.StatusOK, command.OperationVerify, sign, pair.Public)
	u.finish(command.StatusSignatureInvalid, command.OperationVerify, 0, make([]byte, 64))
	u.begin(command.StatusOK, command.OperationVerify, sign, pair.Public)
	u.finish(command.StatusSignatureLenRange, command.OperationVerify, 0, nil)

	u.ok(command.CodeLogout, u.user, nil, nil)
	u.begin(command.StatusUserNotLoggedIn, command.OperationSign, sign, pair.Private)
	u.begin(command.StatusOK, command.OperationVerify, sign, pair.Public) // anyone may
	partition := u.user
	u.user = u.admin
	u.begin(command.StatusSessionHandleInvalid, command.OperationVerify, sign, pair.Public)
	u.begin(command.StatusOK, command.OperationDigest, sha256Digest, 0)
	u.user = partition
	u.ok(command.CodeSessionClose, u.user, nil, nil)
	u.part(command.StatusSessionHandleInvalid, command.OperationVerify, 0, nil)
}

// TestKeptDataIsBounded has operations keep data until the device has no room for
// more, and wants the room back when they end.
func TestKeptDataIsBounded(t *testing.T) {
	u := ready(t)
	aes, gcm := u.aes("aes"), command.Mechanism{Type: command.MechAESGCM}
	part := make([]byte, 8<<20)
	first := u.user
	var sessions []uint32
	for range 8 {
		u.user = u.open(command.SlotPartition, false)
		sessions = append(sessions, u.user)
		u.begin(command.StatusOK, command.OperationEncrypt, gcm, aes)
		u.part(command.StatusOK, command.OperationEncrypt, 0, part)
	}
	u.user = first
	u.begin(command.StatusOK, command.OperationEncrypt, gcm, aes)
	u.part(command.StatusNotEnoughMemory, command.OperationEncrypt, 0, part)
	u.ok(command.CodeSessionClose, sessions[0], nil, nil)
	u.begin(command.StatusOK, command.OperationEncrypt, gcm, aes)
	u.part(command.StatusOK, command.OperationEncrypt, 0, part)
	u.part(command.StatusNotEnoughMemory, command.OperationEncrypt, len(part), part)
	for _, s := range sessions[1:] {
		u.user = s
		u.ok(command.CodeOperationCancel, u.user, &command.OperationCancelRequest{Kind: command.OperationEncrypt}, nil)
	}
	u.begin(command.StatusOK, command.OperationEncrypt, gcm, aes)
	u.part(command.StatusOK, command.OperationEncrypt, 0, part)
	u.part(command.StatusDataLenRange, command.OperationEncrypt, len(part), part) // more than one operation takes
}

func TestDigestOfAKeyNeedsPolicy9(t *testing.T) {
	u := ready(t)
	u.partitionPolicy(policy.DigestKey, 1, true)
	aes, pair := u.aes("aes"), u.ec("ec", p256)
	digestKey := func(want command.Status, key command.Handle) {
		t.Helper()
		u.do(want, command.CodeDigestKey, u.user, &command.DigestKeyRequest{Key: key}, nil)
	}
	digestKey(command.StatusOperationNotInitialized, aes)
	u.begin(command.StatusOK, command.OperationDigest, sha256Digest, 0)
	u.part(command.StatusOK, command.OperationDigest, 0, []byte("a"))
	digestKey(command.StatusOK, aes)
	u.part(command.StatusOK, command.OperationDigest, 1, []byte("b"))
	first := u.finish(command.StatusOK, command.OperationDigest, 2, nil)
	if bytes.Equal(first, hashOf([]byte("ab"))) {
		t.Error("the key did not count")
	}
	u.begin(command.StatusOK, command.OperationDigest, sha256Digest, 0)
	digestKey(command.StatusKeyIndigestible, pair.Private)
	u.partitionPolicy(policy.DigestKey, 0, false)
	u.begin(command.StatusOK, command.OperationDigest, sha256Digest, 0)
	digestKey(command.StatusOperationRestricted, aes)
}

// TestOperationsWhileSessionsEnd has many callers take steps of the same
// operations while sessions close and logins end: nothing hangs, nobody gets a
// result of data that is not whole, and no memory stays taken.
func TestOperationsWhileSessionsEnd(t *testing.T) {
	u := ready(t)
	aes := u.aes("aes")
	for round := range 10 {
		session := u.open(command.SlotPartition, false)
		other := u.hsm.Connect()
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() { u.race(session, aes, fmt.Sprint(round, i)) })
		}
		u.ok(command.CodeSessionClose, session, nil, nil)
		all.Wait()
		other.Close()
	}
	part := make([]byte, 8<<20)
	for range 8 { // all of the room is free again
		u.user = u.open(command.SlotPartition, false)
		u.begin(command.StatusOK, command.OperationEncrypt, command.Mechanism{Type: command.MechAESGCM}, aes)
		u.part(command.StatusOK, command.OperationEncrypt, 0, part)
	}
}

// race begins, continues and ends operations of a session that others work in.
func (u *unit) race(session uint32, key command.Handle, data string) {
	allowed := []command.Status{
		command.StatusOK, command.StatusOperationActive, command.StatusOperationNotInitialized,
		command.StatusArgumentsBad, command.StatusSessionHandleInvalid,
	}
	const kind = command.OperationEncrypt
	for {
		for _, step := range []struct {
			code command.Code
			in   any
		}{
			{command.CodeOperationBegin, &command.OperationBeginRequest{Kind: kind, Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: key}},
			{command.CodeOperationUpdate, &command.OperationUpdateRequest{Kind: kind, Data: []byte(data)}},
			{command.CodeOperationFinish, &command.OperationFinishRequest{Kind: kind, Offset: uint64(len(data))}},
		} {
			payload, err := command.Marshal(step.in)
			if err != nil {
				u.t.Error(err)
				return
			}
			status, answer := u.host.Execute(u.t.Context(), step.code, session, payload)
			if !slices.Contains(allowed, status) {
				u.t.Errorf("%v: %v%s", step.code, status, reason(answer))
			}
			if status == command.StatusSessionHandleInvalid {
				return
			}
		}
	}
}
