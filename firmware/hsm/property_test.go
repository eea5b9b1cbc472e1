package hsm_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
)

// machine runs random commands against a simple model of what must be true.
type machine struct {
	*unit
	objects  map[command.Handle]string // acknowledged token objects and their labels
	attempts map[command.Role]uint     // left
}

// TestRandomCommandsKeepTheInvariants makes random commands and power cuts, and
// wants after each: every acknowledged token object with its label is there and
// no other; nothing sensitive can be read; attempts are what was counted.
func TestRandomCommandsKeepTheInvariants(t *testing.T) {
	base := stage(t).staffed
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{
			unit:     powerOn(t, base.Clone()),
			objects:  map[command.Handle]string{},
			attempts: map[command.Role]uint{},
		}
		for _, l := range hsm.Limits() {
			m.attempts[l.Role] = uint(l.Attempts)
		}
		m.start()
		rt.Repeat(map[string]func(*rapid.T){
			"generate":      m.generate,
			"generate pair": m.generatePair,
			"destroy":       m.destroy,
			"rename":        m.renameOne,
			"export":        m.export,
			"parts":         m.parts,
			"take a right":  m.takeARight,
			"wrong login":   m.wrongLogin,
			"reboot":        func(*rapid.T) { m.unit = m.reboot(); m.start() },
			"log out, in":   func(*rapid.T) { m.ok(command.CodeLogout, m.user, nil, nil); m.enter() },
			"":              m.check,
		})
	})
}

func (m *machine) start() {
	m.user = m.open(command.SlotPartition, false)
	m.enter()
}

// enter logs the Crypto Officer in, which gives back all attempts.
func (m *machine) enter() {
	m.logIn(command.RoleCO)
	m.attempts[command.RoleCO] = 10
}

var someLabels = rapid.SampledFrom([]string{"a", "b", "", "ü"})

func (m *machine) generate(t *rapid.T) {
	label := someLabels.Draw(t, "label")
	if rapid.Bool().Draw(t, "token") {
		m.objects[m.aes(label)] = label
		return
	}
	m.secret(command.MechGenericSecretGen, command.Template{command.AttrLabel: "session", command.AttrValueLen: uint64(8)})
}

func (m *machine) generatePair(t *rapid.T) {
	label := someLabels.Draw(t, "label")
	pair := m.ec(label, p256)
	m.objects[pair.Public], m.objects[pair.Private] = label, label
}

func (m *machine) pick(t *rapid.T) command.Handle {
	if len(m.objects) == 0 {
		t.Skip("no object")
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(m.objects))).Draw(t, "object")
}

func (m *machine) destroy(t *rapid.T) {
	h := m.pick(t)
	m.ok(command.CodeDestroyObject, m.user, &command.DestroyObjectRequest{Object: h}, nil)
	delete(m.objects, h)
}

func (m *machine) renameOne(t *rapid.T) {
	h, label := m.pick(t), someLabels.Draw(t, "label")
	m.ok(command.CodeSetAttributes, m.user, &command.SetAttributesRequest{Object: h, Attributes: command.Template{command.AttrLabel: label}}, nil)
	m.objects[h] = label
}

// export tries to wrap any key with any other. What comes out is wrapped, and of
// a key that may leave.
func (m *machine) export(t *rapid.T) {
	by, key := m.pick(t), m.pick(t)
	mechanism := rapid.SampledFrom([]command.MechanismType{command.MechAESKeyWrapKWP, command.MechAESECB, command.MechRSAPKCSOAEP}).Draw(t, "mechanism")
	status, answer := m.try(m.user, command.CodeWrapKey, &command.WrapKeyRequest{Mechanism: command.Mechanism{Type: mechanism}, WrappingKey: by, Key: key})
	checkAnswer(m.t, mustRow(m.t, command.CodeWrapKey), status, answer)
	if status == command.StatusOK && !(m.attributes(by).Bool(command.AttrWrap, false) && m.attributes(key).Bool(command.AttrExtractable, false)) {
		t.Fatalf("object %d left, wrapped with %d", key, by)
	}
}

// parts takes steps of operations in any order; whatever they are, the device
// says so with a status that is published.
func (m *machine) parts(t *rapid.T) {
	kind := rapid.SampledFrom(command.OperationKinds).Draw(t, "kind")
	data := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data")
	steps := map[command.Code]any{
		command.CodeOperationUpdate: &command.OperationUpdateRequest{Kind: kind, Data: data},
		command.CodeOperationFinish: &command.OperationFinishRequest{Kind: kind, Offset: uint64(len(data))},
		command.CodeOperationCancel: &command.OperationCancelRequest{Kind: kind},
		command.CodeOperationBegin: &command.OperationBeginRequest{
			Kind: kind, Key: command.Handle(rapid.IntRange(0, 5).Draw(t, "key")),
			Mechanism: command.Mechanism{Type: rapid.SampledFrom(command.MechanismTable).Draw(t, "mechanism").Type},
		},
	}
	code := rapid.SampledFrom(slices.Sorted(maps.Keys(steps))).Draw(t, "step")
	status, answer := m.try(m.user, code, steps[code])
	checkAnswer(m.t, mustRow(m.t, code), status, answer)
}

// takeARight has somebody without a login ask for what needs one.
func (m *machine) takeARight(t *rapid.T) {
	row := rapid.SampledFrom(command.Rows).Draw(t, "command")
	if row.Need == command.NeedNothing || row.Roles == command.Anyone {
		t.Skip("anyone may")
	}
	slot := command.SlotPartition
	if row.Need == command.NeedAdmin {
		slot = command.SlotAdmin
	}
	host := m.hsm.Connect()
	defer host.Close()
	session := m.openOn(host, slot, false)
	if status, _ := host.Execute(context.Background(), row.Code, session, sample(m.t, row, slot)); status != command.StatusUserNotLoggedIn {
		t.Fatalf("%s without a login: %v", row.Name, status)
	}
}

// try runs a command whatever comes of it.
func (m *machine) try(session uint32, code command.Code, in any) (command.Status, []byte) {
	payload, err := command.Marshal(in)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.host.Execute(context.Background(), code, session, payload)
}

// wrongLogin spends an attempt, but never the last one.
func (m *machine) wrongLogin(t *rapid.T) {
	role := rapid.SampledFrom(command.Roles).Draw(t, "role")
	if m.attempts[role] == 1 {
		t.Skip("the last attempt")
	}
	host := m.hsm.Connect()
	defer host.Close()
	session := m.openOn(host, role.Slot(), true)
	m.on(host, command.StatusPINIncorrect, command.CodeLogin, session, &command.LoginRequest{Role: role, Password: []byte("a wrong one")}, nil)
	m.attempts[role]--
}

func (m *machine) check(t *rapid.T) {
	found := m.find(command.Template{command.AttrToken: true})
	if want := slices.Sorted(maps.Keys(m.objects)); !slices.Equal(found, want) {
		t.Fatalf("token objects %v, want %v", found, want)
	}
	for _, h := range found {
		a := m.attributes(h)
		if a.Text(command.AttrLabel) != m.objects[h] {
			t.Fatalf("object %d has the label %q, want %q", h, a.Text(command.AttrLabel), m.objects[h])
		}
		if _, leaked := a[command.AttrValue]; leaked {
			t.Fatalf("object %d shows its value", h)
		}
	}
	for role, want := range m.attempts {
		if got := m.role(m.session(role.Slot()), role).AttemptsLeft; got != want {
			t.Fatalf("%v has %d attempts left, want %d", role, got, want)
		}
	}
}

// FuzzExecute gives arbitrary bytes to an HSM with everybody logged in. It
// never panics, always answers as the table says, and goes on working.
func FuzzExecute(f *testing.F) {
	for _, row := range command.Rows {
		for session := uint32(0); session < 4; session++ {
			f.Add(uint32(row.Code), session, sample(f, row, command.SlotPartition))
		}
	}
	f.Add(uint32(0xFFFF), uint32(1), []byte{0xA0})
	fuzzExecute(f, fuzzed)
}

// FuzzExecuteWithPeople does the same with an HSM whose roles have keysets.
func FuzzExecuteWithPeople(f *testing.F) {
	for _, w := range waiting {
		payload, err := command.Marshal(w.request)
		if err != nil {
			f.Fatal(err)
		}
		for session := range uint32(4) {
			f.Add(uint32(w.code), session, payload)
		}
	}
	fuzzExecute(f, func(t testing.TB) *unit {
		q := quorum(t)
		q.admin = q.open(command.SlotAdmin, false)
		q.enter(command.StatusOK, command.RoleSO, "")
		q.enter(command.StatusOK, command.RoleCO, "")
		q.aes("aes")
		return q.unit
	})
}

func fuzzExecute(f *testing.F, fresh func(testing.TB) *unit) {
	u := fresh(f)
	f.Fuzz(func(t *testing.T, code, session uint32, payload []byte) {
		u.t = t
		before := slices.Clone(payload)
		status, answer := u.host.Execute(context.Background(), command.Code(code), session, payload)
		if !slices.Equal(before, payload) {
			t.Error("the payload was changed")
		}
		row, _ := command.Lookup(command.Code(code))
		checkAnswer(t, row, status, answer)
		if i := u.info(); i.Sessions != 3 || i.State != command.HSMInitialised || i.Objects > 100 || !u.role(u.admin, command.RoleSO).LoggedIn || !u.role(u.user, command.RoleCO).LoggedIn {
			u.hsm.Close()
			u = fresh(t)
		}
	})
}

// fuzzed is an HSM with SO and CO logged in and a key of each kind; its
// sessions are 1 to 3.
func fuzzed(t testing.TB) *unit {
	u := powerOn(t, stage(t).ready.Clone())
	u.admin = u.open(command.SlotAdmin, false)
	u.user = u.open(command.SlotPartition, false)
	u.logIn(command.RoleSO).logIn(command.RoleCO)
	u.aes("aes")
	u.ec("ec", p256)
	u.secret(command.MechGenericSecretGen, token("hmac", command.AttrValueLen, uint64(32)))
	return u
}
