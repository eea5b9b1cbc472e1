package hsmtest_test

import (
	"errors"
	"testing"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// refusal is an update that a device does not take, with the status that it answers.
type refusal struct {
	release func(*fuf.Release) // changes that of an update which is taken
	image   func(*boot.Image)
	file    func(*testing.T) boottest.File // in place of such an update
	code    []byte                         // in place of the right one
	want    command.Status
}

var refused = map[string]refusal{
	"another product":     {release: func(r *fuf.Release) { r.Product = "toaster" }, want: command.StatusInvalidFUFTarget},
	"another model":       {release: func(r *fuf.Release) { r.Models = []string{"A790"} }, want: command.StatusInvalidFUFTarget},
	"a functional module": {release: func(r *fuf.Release) { r.Kind = fuf.Module }, want: command.StatusInvalidFUFTarget},
	"no valid path":       {release: func(r *fuf.Release) { r.ValidFrom = []fuf.Range{{From: fuf.V(7, 7, 0), To: fuf.V(7, 9, 1)}} }, want: command.StatusBadFWVersion},
	"downgrade":           {image: func(m *boot.Image) { m.SecurityVersion = 0 }, want: command.StatusBadFWVersion},
	"later bootloader":    {release: func(r *fuf.Release) { r.MinBootloader = fuf.V(9, 0, 0) }, want: command.StatusInvalidFUFVersion},
	"later client":        {release: func(r *fuf.Release) { r.MinClient = fuf.V(99, 0, 0) }, want: command.StatusInvalidFUFVersion},
	"data of the future":  {image: func(m *boot.Image) { m.DataSchema = 7 }, want: command.StatusInvalidFUFVersion},
	"expired":             {release: func(r *fuf.Release) { r.NotAfter = noon.Unix() - 1 }, want: command.StatusOperationRestricted},
	"too early":           {release: func(r *fuf.Release) { r.NotBefore = noon.Unix() + 1 }, want: command.StatusOperationRestricted},
	"policy on":           {release: func(r *fuf.Release) { r.Requires.PoliciesOff = []uint32{12} }, want: command.StatusOperationRestricted},
	"too little storage":  {release: func(r *fuf.Release) { r.Requires.FreePercent = 100 }, want: command.StatusHSMStorageFull},
	"larger than a slot":  {image: func(m *boot.Image) { m.Resources = make([]byte, 3<<20) }, want: command.StatusHSMStorageFull},
	"another's signature": {file: foreign, want: command.StatusInvalidFUFHeader},
	"no update": {file: func(*testing.T) boottest.File {
		return boottest.File{Update: &boottest.Update{Head: []byte("no update")}}
	}, want: command.StatusInvalidFUFHeader},
	"a wrong code":          {code: []byte("another code"), want: command.StatusFWUpdateDenied},
	"a code of other bytes": {code: []byte("short"), want: command.StatusArgumentsBad},
}

// foreign is signed by somebody whom the device does not trust.
func foreign(t *testing.T) boottest.File {
	t.Helper()
	f := release(t, newer(), nil)
	payload, err := f.Image.Encode()
	if err != nil {
		t.Fatal(err)
	}
	draft, err := fuf.Build(boottest.Release(f.Image), payload, testkeys.Models().PublicKey(), boottest.Code)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range testkeys.Second() {
		if err := draft.Sign(key); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := draft.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	size, err := fuf.HeadSize(whole)
	if err != nil {
		t.Fatal(err)
	}
	return boottest.File{Update: &boottest.Update{Head: whole[:size]}}
}

// Each is refused with its status, and leaves nothing behind; the plan says so
// beforehand, in the condition that is not fulfilled first.
func TestUpdatesAreRefusedWithTheirStatus(t *testing.T) {
	dev := hsmtest.Start(t, hsmtest.Config(func(c *device.Config) { c.Clock = func() time.Time { return noon } }))
	so := dev.Login(t, command.RoleSO)
	for name, c := range refused {
		t.Run(name, func(t *testing.T) {
			f, code := c.update(t), boottest.Code[:]
			if c.code != nil {
				code = c.code
			}
			if got := planned(t, so, f, code); got != c.want {
				t.Errorf("the plan says %v, want %v", got, c.want)
			}
			if err := so.Upload(t.Context(), f, code, nil); !errors.Is(err, c.want) {
				t.Errorf("refused with %v, want %v", err, c.want)
			}
			if s := firmware(t, so); s.State != command.UpdateIdle {
				t.Errorf("it leaves %+v", s)
			}
		})
	}
	if got := planned(t, so, release(t, newer(), nil), boottest.Code[:]); got != command.StatusOK {
		t.Errorf("an update that is as it must be: %v", got)
	}
}

func (c refusal) update(t *testing.T) boottest.File {
	t.Helper()
	if c.file != nil {
		return c.file(t)
	}
	image := newer()
	if c.image != nil {
		c.image(image)
	}
	return release(t, image, func(r *fuf.Release) {
		if r.Data.To == 7 {
			r.Data.From, r.Data.Class = 6, fuf.MigrateCopy
		}
		if c.release != nil {
			c.release(r)
		}
	})
}

// planned returns the status of the first condition that is not fulfilled.
func planned(t *testing.T, s *hostdrv.Session, f boottest.File, code []byte) command.Status {
	t.Helper()
	plan, err := s.PlanUpdate(t.Context(), f, code)
	if err != nil {
		var answer *command.Error
		if !errors.As(err, &answer) {
			t.Fatal(err)
		}
		return answer.Status
	}
	for _, check := range plan.Checks {
		if check.Status != command.StatusOK {
			return check.Status
		}
	}
	return command.StatusOK
}

// What the device is like stands against an update too.
func TestUpdatesAreRefusedByTheStateOfTheDevice(t *testing.T) {
	f := release(t, newer(), nil)
	for name, c := range map[string]struct {
		session func(*testing.T, *hsmtest.Device) *hostdrv.Session
		want    command.Status
	}{
		"nobody logged in": {func(t *testing.T, dev *hsmtest.Device) *hostdrv.Session { return admin(t, dev) }, command.StatusUserNotLoggedIn},
		"read-only session": {func(t *testing.T, dev *hsmtest.Device) *hostdrv.Session {
			dev.Login(t, command.RoleSO)
			s, err := dev.Driver.OpenSession(t.Context(), command.SlotAdmin, hostdrv.SessionOptions{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}, command.StatusSessionReadOnly},
		"Secure Transport Mode": {func(t *testing.T, dev *hsmtest.Device) *hostdrv.Session {
			s := dev.Login(t, command.RoleSO)
			if _, err := s.Transport(t.Context()); err != nil {
				t.Fatal(err)
			}
			return dev.Login(t, command.RoleSO)
		}, command.StatusOperationRestricted},
		"tampered with": {func(t *testing.T, dev *hsmtest.Device) *hostdrv.Session {
			dev.Tamper(t, command.TamperOverTemperature)
			return dev.Login(t, command.RoleSO)
		}, command.StatusHSMTampered},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.session(t, hsmtest.Start(t))
			if err := s.Upload(t.Context(), f, boottest.Code[:], nil); !errors.Is(err, c.want) {
				t.Errorf("refused with %v, want %v", err, c.want)
			}
		})
	}
}
