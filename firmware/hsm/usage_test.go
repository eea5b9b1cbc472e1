package hsm_test

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

func (u *unit) limited(limit uint64) command.Handle {
	u.t.Helper()
	return u.secret(command.MechAESKeyGen, token("limited", command.AttrValueLen, uint64(16), command.AttrUsageLimit, limit))
}

func (u *unit) used(key command.Handle) uint64 {
	u.t.Helper()
	n, _ := u.attributes(key, command.AttrUsageCount).Uint(command.AttrUsageCount)
	return n
}

func TestAKeyIsUsedUpAtItsLimit(t *testing.T) {
	u := ready(t)
	key := u.limited(3)
	for n := range uint64(3) {
		if got := u.used(key); got != n {
			t.Errorf("%d uses, want %d", got, n)
		}
		u.use(command.StatusOK, u.user, key)
	}
	u.use(command.StatusKeyNotActive, u.user, key)
	if s := u.keyStatus(key); s.Status != command.KeyLockedUsage || s.Uses != 3 || s.UsageLimit != 3 {
		t.Errorf("%+v", s)
	}
	u = u.again()
	u.use(command.StatusKeyNotActive, u.user, key)
	u.ok(command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: key, Attributes: command.Template{command.AttrUsageLimit: uint64(4)}}, nil)
	u.use(command.StatusOK, u.user, key)
	u.use(command.StatusKeyNotActive, u.user, key)
	u.do(command.StatusOperationRestricted, command.CodeCopyObject, u.user, &command.CopyObjectRequest{Object: key}, nil)
	u.do(command.StatusAttributeReadOnly, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: key, Attributes: command.Template{command.AttrUsageCount: uint64(0)}}, nil)
	u.do(command.StatusAttributeValueInvalid, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: key, Attributes: command.Template{command.AttrUsageLimit: ^uint64(0)}}, nil)
	u.ok(command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: key}, nil)
}

func TestAPowerCutNeverGivesAUseBack(t *testing.T) {
	u := ready(t)
	key := u.limited(1000)
	once := u.limited(1)
	made := uint64(0)
	for range 3 {
		for range 10 {
			u.use(command.StatusOK, u.user, key)
			made++
		}
		before := u.used(key)
		u = u.again() // without switching off
		if got := u.used(key); got < before || got > before+63 {
			t.Errorf("%d uses after %d", got, before)
		}
	}
	if got := u.used(key); got < made {
		t.Errorf("%d uses counted of %d", got, made)
	}
	u.use(command.StatusOK, u.user, once)
	u = u.again()
	u.use(command.StatusKeyNotActive, u.user, once)
}

func TestSwitchingOffAndLoggingOutKeepTheCount(t *testing.T) {
	u := ready(t)
	key := u.limited(1000)
	for range 5 {
		u.use(command.StatusOK, u.user, key)
	}
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RoleCO)
	if got := u.used(key); got != 5 {
		t.Errorf("%d uses after a new login, want 5", got)
	}
	u.hsm.Close()
	u = u.again()
	if got := u.used(key); got != 5 {
		t.Errorf("%d uses after a restart, want 5", got)
	}
}

func TestALimitCanBeSetLater(t *testing.T) {
	u := ready(t)
	pair := u.ec("pair", p256)
	u.ok(command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: pair.Public, Attributes: command.Template{command.AttrUsageLimit: uint64(1)}}, nil)
	u.ok(command.CodeLogout, u.user, nil, nil)
	request := &command.VerifyRequest{Mechanism: command.Mechanism{Type: command.MechECDSA}, Key: pair.Public, Data: make([]byte, 32), Signature: make([]byte, 64)}
	u.do(command.StatusSignatureInvalid, command.CodeVerify, u.user, request, nil)
	u.do(command.StatusKeyNotActive, command.CodeVerify, u.user, request, nil)
	session := u.logIn(command.RoleCO).secret(command.MechAESKeyGen, command.Template{command.AttrValueLen: uint64(16), command.AttrUsageLimit: uint64(1)})
	u.use(command.StatusOK, u.user, session)
	u.use(command.StatusKeyNotActive, u.user, session)
}

func TestManyCallersShareOneLimit(t *testing.T) {
	u := ready(t)
	const limit = 300
	key := u.limited(limit)
	payload, err := command.Marshal(&command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var good atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 60 {
				status, _ := u.host.Execute(context.Background(), command.CodeEncrypt, u.user, payload)
				if status == command.StatusOK {
					good.Add(1)
				} else if status != command.StatusKeyNotActive {
					t.Error(status)
				}
			}
		})
	}
	all.Wait()
	if good.Load() != limit {
		t.Errorf("%d uses, want %d", good.Load(), limit)
	}
}

func TestKeysWorkWithinTheirDates(t *testing.T) {
	clock := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	u := powerOnAt(t, stage(t).created.Clone(), func() time.Time { return clock })
	u.user = u.open(command.SlotPartition, false)
	u.ok(command.CodePartitionInit, u.user, &command.PartitionInitRequest{
		Label: "p", Password: []byte(poPassword), Policies: []command.PolicySetting{set(policy.StartEndDates, 1)},
	}, nil)
	u.logIn(command.RolePO)
	u.appoint(command.RoleCO, coPassword)
	u.logIn(command.RoleCO)
	key := u.secret(command.MechAESKeyGen, token("dated", command.AttrValueLen, uint64(16), command.AttrStartDate, "20261124", command.AttrEndDate, "20261125"))
	for _, c := range []struct {
		now  time.Time
		want command.Status
		bits command.KeyStatus
	}{
		{time.Date(2026, 11, 23, 23, 59, 59, 0, time.UTC), command.StatusKeyNotActive, command.KeyLockedDate},
		{time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), command.StatusOK, 0},
		{time.Date(2026, 11, 25, 23, 59, 59, 0, time.UTC), command.StatusOK, 0},
		{time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC), command.StatusKeyNotActive, command.KeyLockedDate},
		{time.Date(2026, 11, 26, 1, 0, 0, 0, time.FixedZone("east", 7200)), command.StatusOK, 0},
	} {
		clock = c.now
		u.use(c.want, u.user, key)
		if s := u.keyStatus(key).Status; s != c.bits {
			t.Errorf("%v: status %#x", c.now, s)
		}
	}
	u.do(command.StatusTemplateInconsistent, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: key, Attributes: command.Template{command.AttrEndDate: "20261101"}}, nil)
	cert := u.create(token("cert", command.AttrClass, command.ClassCertificate, command.AttrValue, certificate(t), command.AttrEndDate, "20200101"))
	if got := u.attributes(cert, command.AttrEndDate).Text(command.AttrEndDate); !bytes.Equal([]byte(got), []byte("20200101")) {
		t.Errorf("a certificate has the date %q", got)
	}
}
