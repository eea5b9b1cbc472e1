package hsm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/policy"
)

// interpreter runs modules whose code names, in lines, their functions. A function
// does what functions says.
type interpreter map[string]func(input []byte, host hsm.ModuleHost) ([]byte, error)

func (interpreter) Check(code []byte) ([]string, error) {
	if bytes.HasPrefix(code, []byte("bad")) {
		return nil, command.StatusInvalidFUFHeader.With("bad code", "")
	}
	return strings.Split(string(code), "\n"), nil
}

func (i interpreter) Call(_ context.Context, code []byte, function string, input []byte, host hsm.ModuleHost) ([]byte, error) {
	if f, ok := i[function]; ok && slices.Contains(strings.Split(string(code), "\n"), function) {
		return f(input, host)
	}
	return nil, command.StatusFMIDInvalid.With("no such function", "")
}

// permitting is firmware that permits functional modules.
func permitting() *hsm.Firmware {
	f := hsm.BuiltIn(hsm.Models()[0])
	row := *f.HSM.Lookup(policy.FunctionalModules)
	row.Capability = 1
	f.HSM = f.HSM.With(row)
	return f
}

var modulesOn = command.PolicySetting{ID: policy.FunctionalModules, Value: 1}

// powerOnWithModules starts a new HSM that runs modules.
func powerOnWithModules(t testing.TB, i interpreter) (*unit, *loader) {
	t.Helper()
	l := new(loader)
	return powerOnConfig(t, newChip(t, 256), running(l, i)), l
}

// running is how an HSM is made that runs modules.
func running(l *loader, i interpreter) hsm.Config {
	return hsm.Config{Entropy: rand.Reader, Serial: "7000001", Firmware: permitting(), Boot: l, Modules: i}
}

// load loads a module as the HSM SO.
func (u *unit) load(want command.Status, l *loader, m *hsm.Module) (info command.ModuleInfo) {
	u.t.Helper()
	l.module = m
	u.do(want, command.CodeModuleLoad, u.admin, &command.ModuleLoadRequest{File: []byte("file"), Client: "1.0.0"}, &info)
	return info
}

func (u *unit) modules() []string {
	u.t.Helper()
	var r command.ModuleListResponse
	u.ok(command.CodeModuleList, u.admin, nil, &r)
	names := []string{}
	for _, m := range r.Modules {
		names = append(names, m.Name+" "+m.Version)
	}
	return names
}

// call calls a function of the module m.
func (u *unit) call(want command.Status, function, input string) string {
	u.t.Helper()
	var r command.ModuleCallResponse
	u.do(want, command.CodeModuleCall, u.user, &command.ModuleCallRequest{Module: "m", Function: function, Input: []byte(input)}, &r)
	return string(r.Output)
}

// fullWithModule holds everything, and a module. The people at path, if there are
// any, have keysets.
func fullWithModule(t testing.TB, path hsm.TrustedPath) *unit {
	t.Helper()
	l := new(loader)
	c := running(l, nil)
	c.Path = path
	u := powerOnConfig(t, newChip(t, 256), c)
	fill(u, modulesOn)
	u.load(command.StatusOK, l, &hsm.Module{Name: "m", Version: "1.0.0", Code: []byte("f")})
	return u
}

// complete is an HSM with a module of some functions, and the Crypto Officer logged
// in.
func complete(t *testing.T, i interpreter, functions ...string) *unit {
	t.Helper()
	u, l := powerOnWithModules(t, i)
	fill(u, modulesOn)
	u.load(command.StatusOK, l, &hsm.Module{Name: "m", Version: "1.0.0", Code: []byte(strings.Join(functions, "\n"))})
	return u
}

func TestModulesWantTheirPolicy(t *testing.T) {
	u, l := powerOnWithModules(t, nil)
	fill(u)
	m := &hsm.Module{Name: "m", Version: "1.0.0", Code: []byte("f")}
	u.load(command.StatusOperationRestricted, l, m)
	u.call(command.StatusOperationRestricted, "f", "")

	without := powerOn(t, newChip(t, 128))
	fill(without)
	without.load(command.StatusOperationRestricted, new(loader), m)
	without.do(command.StatusPolicyChangeIllegal, command.CodeHSMPolicyChange, without.admin, &command.PolicyChangeRequest{Settings: []command.PolicySetting{modulesOn}}, nil)
}

func TestModulesAreKeptByTheirNames(t *testing.T) {
	u, l := powerOnWithModules(t, nil)
	fill(u, modulesOn)
	large := bytes.Repeat([]byte("f"), 30_000) // several records
	for _, m := range []hsm.Module{{"second", "1.0.0", []byte("f")}, {"first", "1.0.0", []byte("g")}, {"second", "2.0.0", append([]byte("h\n"), large[:30]...)}, {"third", "1.0.0", []byte("f")}} {
		u.load(command.StatusOK, l, &m)
	}
	want := []string{"first 1.0.0", "second 2.0.0", "third 1.0.0"}
	if got := u.modules(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	u.ok(command.CodeModuleDelete, u.admin, &command.ModuleDeleteRequest{Name: "first"}, nil)
	u.do(command.StatusFMIDInvalid, command.CodeModuleDelete, u.admin, &command.ModuleDeleteRequest{Name: "first"}, nil)
	if got := u.reboot().modules(); !slices.Equal(got, want[1:]) {
		t.Errorf("after a power cycle %q", got)
	}
}

func TestCodeOfAModuleIsNotReadableOnTheChip(t *testing.T) {
	u, l := powerOnWithModules(t, nil)
	fill(u, modulesOn)
	code := bytes.Repeat([]byte("canary of the code\n"), 2)
	u.load(command.StatusInvalidFUFHeader, l, &hsm.Module{Name: "m", Version: "1.0.0", Code: bytes.Repeat(code, 1000)}) // too many functions
	u.load(command.StatusOK, l, &hsm.Module{Name: "m", Version: "1.0.0", Code: code[:len(code)-1]})
	if holds(image(t, u.flash), "canary of the code") {
		t.Error("the code is on the chip")
	}
}

func TestModuleThatIsRefusedIsNotLoaded(t *testing.T) {
	u, l := powerOnWithModules(t, nil)
	fill(u, modulesOn)
	for name, c := range map[string]struct {
		m    *hsm.Module
		want command.Status
	}{
		"not genuine":        {nil, command.StatusInvalidFUFHeader},
		"no module":          {&hsm.Module{Name: "m", Code: []byte("bad")}, command.StatusInvalidFUFHeader},
		"too many functions": {&hsm.Module{Name: "m", Code: []byte(strings.Repeat("f\n", 40))}, command.StatusInvalidFUFHeader},
		"a long name":        {&hsm.Module{Name: "m", Code: []byte(strings.Repeat("f", 33))}, command.StatusInvalidFUFHeader},
		"too large":          {&hsm.Module{Name: "m", Code: []byte("f\n" + strings.Repeat("f", 10) + strings.Repeat("\x00", 1<<20))}, command.StatusInvalidFUFHeader},
	} {
		t.Run(name, func(t *testing.T) { u.load(c.want, l, c.m) })
	}
	for i := range 8 {
		u.load(command.StatusOK, l, &hsm.Module{Name: fmt.Sprint(i), Version: "1.0.0", Code: []byte("f")})
	}
	u.load(command.StatusHSMStorageFull, l, &hsm.Module{Name: "one more", Version: "1.0.0", Code: []byte("f")})
	if n := len(u.modules()); n != 8 {
		t.Errorf("%d modules", n)
	}
}

// asks is a module that asks the device, in its functions.
var asks = interpreter{
	"random": func(_ []byte, host hsm.ModuleHost) ([]byte, error) {
		r, err := host.Ask(command.CodeRandom, &command.RandomRequest{Length: 8})
		if err != nil {
			return nil, err
		}
		return r.(*command.RandomResponse).Data, nil
	},
	"extract": func(_ []byte, host hsm.ModuleHost) ([]byte, error) {
		_, err := host.Ask(command.CodeGetAttributes, &command.GetAttributesRequest{Object: 1})
		return nil, err
	},
	"count": func(label []byte, host hsm.ModuleHost) ([]byte, error) {
		r, err := host.Ask(command.CodeFindObjects, &command.FindObjectsRequest{Template: command.Template{command.AttrLabel: string(label)}})
		if err != nil {
			return nil, err
		}
		return []byte(fmt.Sprint(len(r.(*command.FindObjectsResponse).Objects))), nil
	},
	"sign": func(data []byte, host hsm.ModuleHost) ([]byte, error) {
		for handle := command.Handle(1); handle < 10; handle++ {
			r, err := host.Ask(command.CodeSign, &command.SignRequest{Key: handle, Mechanism: command.Mechanism{Type: command.MechECDSASHA256}, Data: data})
			if err == nil {
				return r.(*command.SignResponse).Signature, host.Log("signed")
			}
		}
		return nil, command.StatusKeyInvalidForOperation.With("no key signs", "")
	},
}

func TestModuleUsesKeysWithTheRightsOfTheSession(t *testing.T) {
	u := complete(t, asks, "random", "extract", "count", "sign")
	if got := u.call(command.StatusOK, "random", ""); len(got) != 8 {
		t.Errorf("random %x", got)
	}
	if got := u.call(command.StatusOK, "count", "label-canary"); got != "3" {
		t.Errorf("the Crypto Officer's module sees %s keys", got)
	}
	if got := u.call(command.StatusOK, "sign", "data"); len(got) != 64 {
		t.Errorf("signature %x", got)
	}
	u.call(command.StatusUnknownCommand, "extract", "")
	u.call(command.StatusFMIDInvalid, "other", "")
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.call(command.StatusUserNotLoggedIn, "random", "")
	u.logIn(command.RolePO)
	u.call(command.StatusUserNotLoggedIn, "sign", "data")
}

func TestUsesOfKeysByModulesAreInTheAuditLog(t *testing.T) {
	u := complete(t, asks, "sign")
	u.call(command.StatusOK, "sign", "data")
	var r command.AuditReadResponse
	u.ok(command.CodeAuditRead, u.admin, &command.AuditReadRequest{}, &r)
	last := r.Records[len(r.Records)-2:]
	if last[0].Event.Operation != command.CodeSign || last[0].Event.Object == 0 || last[0].Event.Role != command.RoleCO {
		t.Errorf("the use: %+v", last[0].Event)
	}
	if last[1].Event.Operation != command.CodeModuleCall || last[1].Event.Message != "signed" {
		t.Errorf("the call: %+v", last[1].Event)
	}
}

func TestModulesOnceOnRuleOutRollbacksForEver(t *testing.T) {
	u, _ := powerOnWithModules(t, nil)
	fill(u)
	u.destructively(modulesOn)
	u.do(command.StatusOperationRestricted, command.CodeUpdateRollback, u.admin, nil, nil)
	u.destructively(command.PolicySetting{ID: policy.FunctionalModules, Value: 0})
	u.do(command.StatusOperationRestricted, command.CodeUpdateRollback, u.admin, nil, nil)
	u.ok(command.CodeHSMFactoryReset, u.admin, nil, nil)
	u = u.reboot()
	u.ok(command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "again", Password: []byte(soPassword)}, nil)
	u.logIn(command.RoleSO)
	u.do(command.StatusOperationRestricted, command.CodeUpdateRollback, u.admin, nil, nil)
}

func TestModulesComeBackWhenSecureTransportModeEnds(t *testing.T) {
	u := fullWithModule(t, nil)
	var s command.STMStrings
	u.ok(command.CodeSTMTransport, u.admin, nil, &s)
	u = u.reboot()
	u.logIn(command.RoleSO)
	u.ok(command.CodeSTMRecover, u.admin, &command.STMRecoverRequest{Random: s.Random, Proceed: true}, new(command.STMRecoverResponse))
	if got := u.modules(); len(got) != 1 {
		t.Errorf("modules %q", got)
	}
	if got := u.reboot().modules(); len(got) != 1 {
		t.Errorf("after a power cycle %q", got)
	}
}
