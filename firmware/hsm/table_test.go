package hsm_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
)

// situation is an HSM at a stage of its life with somebody logged in.
type situation struct {
	name      string
	flash     *flash.Memory
	hsm       command.HSMState
	partition command.PartitionState
	so, user  command.Role // logged in to the two slots
	readOnly  bool         // sessions

	halt  command.Status // of all commands but those of works; 0: nothing is refused
	works []command.Code

	people bool // in front of it, with the keysets of the roles
}

func situations(t testing.TB) []situation {
	s := stage(t)
	const (
		fresh, initialised = command.HSMFactory, command.HSMInitialised
		absent             = command.PartitionAbsent
		created, complete  = command.PartitionCreated, command.PartitionInitialised
		none, so, po, co   = command.RoleNone, command.RoleSO, command.RolePO, command.RoleCO
		administrator      = command.RoleAdministrator
		auditor, lco, cu   = command.RoleAuditor, command.RoleLCO, command.RoleCU
	)
	return []situation{
		{"factory", s.factory, fresh, absent, none, none, false, 0, nil, false},
		{"factory, read-only", s.factory, fresh, absent, none, none, true, 0, nil, false},
		{"initialised", s.initialised, initialised, absent, none, none, false, 0, nil, false},
		{"initialised, SO", s.initialised, initialised, absent, so, none, false, 0, nil, false},
		{"partition created", s.created, initialised, created, none, none, false, 0, nil, false},
		{"partition created, SO", s.created, initialised, created, so, none, false, 0, nil, false},
		{"partition created, read-only", s.created, initialised, created, none, none, true, 0, nil, false},
		{"complete", s.ready, initialised, complete, none, none, false, 0, nil, false},
		{"complete, SO", s.ready, initialised, complete, so, none, false, 0, nil, false},
		{"complete, PO", s.ready, initialised, complete, none, po, false, 0, nil, false},
		{"complete, CO", s.ready, initialised, complete, none, co, false, 0, nil, false},
		{"complete, SO and CO", s.ready, initialised, complete, so, co, false, 0, nil, false},
		{"complete, SO and CO, read-only", s.ready, initialised, complete, so, co, true, 0, nil, false},
		{"complete, PO, read-only", s.ready, initialised, complete, none, po, true, 0, nil, false},
		{"staffed, Administrator and LCO", s.staffed, initialised, complete, administrator, lco, false, 0, nil, false},
		{"staffed, Auditor and CU", s.staffed, initialised, complete, auditor, cu, false, 0, nil, false},
		{"staffed, Auditor and CU, read-only", s.staffed, initialised, complete, auditor, cu, true, 0, nil, false},
		keyed(t, "with keysets", none, none),
		keyed(t, "with keysets, SO and PO", so, po),
		keyed(t, "with keysets, Administrator and CO", administrator, co),
		keyed(t, "with keysets, Auditor and LCO", auditor, lco),
		keyed(t, "with keysets, CU", none, cu),
		halted("tampered", s.tampered, none, command.StatusHSMTampered, command.CodeTamperClear, command.CodeLogin),
		halted("tampered, SO", s.tampered, so, command.StatusHSMTampered, command.CodeTamperClear, command.CodeLogin),
		halted("in transport", s.transport, none, command.StatusSTMCommand, command.CodeSTMRecover, command.CodeTamperClear, command.CodeLogin),
		halted("in transport, SO", s.transport, so, command.StatusSTMCommand, command.CodeSTMRecover, command.CodeTamperClear, command.CodeLogin),
	}
}

// keyed is a situation of an HSM with quorum authentication.
func keyed(t testing.TB, name string, so, user command.Role) situation {
	return situation{
		name: name, flash: quorum(t).flash.(*flash.Memory), hsm: command.HSMInitialised, partition: command.PartitionInitialised,
		so: so, user: user, people: true,
	}
}

// halted is a situation in which only commands that tell the state work, and more.
func halted(name string, chip *flash.Memory, so command.Role, status command.Status, more ...command.Code) situation {
	return situation{
		name: name, flash: chip, hsm: command.HSMInitialised, partition: command.PartitionInitialised, so: so, halt: status,
		works: append(more, command.CodeInfo, command.CodeEcho, command.CodeMechanisms, command.CodeHSMPolicies,
			command.CodeSessionOpen, command.CodeSessionClose, command.CodeSessionInfo, command.CodeLogout, command.CodeRoleState,
			command.CodeUpdatePlan, command.CodeUpdateStatus, command.CodeLicences,
			command.CodeAuditConfig, command.CodeAuditStatus, command.CodeTamperShow, command.CodeSTMShow, command.CodeHSMRestart, command.CodeTimeGet),
	}
}

// enter starts the HSM and brings about the situation.
func (s situation) enter(t testing.TB) *unit {
	t.Helper()
	if s.people {
		q := powerOnWithPeople(t, s.flash.Clone())
		for _, role := range []command.Role{s.so, s.user} {
			if role != command.RoleNone {
				q.enter(command.StatusOK, role, "")
			}
		}
		return q.unit
	}
	u := powerOn(t, s.flash.Clone())
	u.admin = u.open(command.SlotAdmin, s.readOnly)
	if s.partition != command.PartitionAbsent {
		u.user = u.open(command.SlotPartition, s.readOnly)
	}
	for _, role := range []command.Role{s.so, s.user} {
		if role != command.RoleNone {
			u.logIn(role)
		}
	}
	return u
}

// refusal says what the table refuses a row with, StatusOK if it permits it. It
// is written down once more here, apart from the code it checks.
func (s situation) refusal(row command.Row, slot command.Slot) command.Status {
	role := s.so
	if slot == command.SlotPartition {
		role = s.user
	}
	needsPartition := row.Need == command.NeedPartition || row.Need == command.NeedInitialised
	switch {
	case s.halt == command.StatusSTMCommand && row.Code > command.CodeUpdatePlan && row.Code < command.CodeModuleLoad && row.Code != command.CodeUpdateStatus && row.Code != command.CodeLicences:
		return command.StatusOperationRestricted // as the real product does
	case s.halt != 0 && !slices.Contains(s.works, row.Code):
		return s.halt
	case row.Need == command.NeedNothing:
		return command.StatusSessionHandleInvalid // for it was given one
	case row.Need == command.NeedAdmin && slot != command.SlotAdmin, needsPartition && slot != command.SlotPartition:
		return command.StatusSessionHandleInvalid
	case row.Need == command.NeedInitialised && s.partition != command.PartitionInitialised:
		return command.StatusTokenNotPresent
	case row.Roles>>role&1 == 0:
		return command.StatusUserNotLoggedIn
	case row.Write && s.readOnly:
		return command.StatusSessionReadOnly
	}
	return command.StatusOK
}

// sample returns a request that is well formed. What it asks for need not
// succeed: it gets past the table or not.
func sample(t testing.TB, row command.Row, slot command.Slot) []byte {
	t.Helper()
	ec := command.Mechanism{Type: command.MechECKeyPairGen}
	requests := map[command.Code]any{
		command.CodeHSMInit:         &command.HSMInitRequest{Label: "label", Password: []byte("new-password")},
		command.CodePartitionInit:   &command.PartitionInitRequest{Label: "label", Password: []byte("new-password")},
		command.CodeSessionOpen:     &command.SessionOpenRequest{Slot: command.SlotAdmin},
		command.CodeLogin:           &command.LoginRequest{Role: command.RoleSO, Password: []byte(soPassword)},
		command.CodeRoleInit:        &command.RoleInitRequest{Role: command.RoleCO, Password: []byte("new-password")},
		command.CodeChangePassword:  &command.ChangePasswordRequest{Old: []byte(soPassword), New: []byte("new-password")},
		command.CodeRoleState:       &command.RoleStateRequest{Role: command.RoleCO},
		command.CodeSTMRecover:      &command.STMRecoverRequest{Random: "abcd-EFGH-0123-///z"},
		command.CodeGenerateKeyPair: &command.GenerateKeyPairRequest{Mechanism: ec, Public: command.Template{command.AttrECParams: p256}},
	}
	if slot == command.SlotPartition {
		requests[command.CodeLogin] = &command.LoginRequest{Role: command.RoleCO, Password: []byte(coPassword)}
		requests[command.CodeChangePassword] = &command.ChangePasswordRequest{Old: []byte(coPassword), New: []byte("new-password")}
	}
	request, ok := requests[row.Code]
	if !ok && row.Request != nil {
		request = row.Request()
	}
	payload, err := command.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// ownRefusals lists rows that refuse for lack of a login by themselves,
// because it depends on the state whether they need one.
var ownRefusals = []command.Code{
	command.CodeRoleInit, command.CodeHSMInit, command.CodeHSMFactoryReset, command.CodePartitionInit, command.CodeLogout,
	command.CodeTamperClear, command.CodeSTMRecover,
}

func TestEveryRowInEverySituation(t *testing.T) {
	gate := []command.Status{
		command.StatusSessionHandleInvalid, command.StatusTokenNotPresent,
		command.StatusUserNotLoggedIn, command.StatusSessionReadOnly,
	}
	for _, s := range situations(t) {
		t.Run(s.name, func(t *testing.T) {
			u := s.enter(t)
			for _, row := range command.Rows {
				for _, slot := range []command.Slot{command.SlotAdmin, command.SlotPartition} {
					if slot == command.SlotPartition && s.partition == command.PartitionAbsent {
						continue
					}
					want := s.refusal(row, slot)
					status, answer := u.host.Execute(context.Background(), row.Code, u.session(slot), sample(t, row, slot))
					switch {
					case want != command.StatusOK && status != want:
						t.Errorf("%s in slot %d: %v, want %v", row.Name, slot, status, want)
					case want == command.StatusOK && slices.Contains(gate, status) && !slices.Contains(ownRefusals, row.Code) && row.Code != command.CodePartitionDelete:
						t.Errorf("%s in slot %d: %v%s", row.Name, slot, status, reason(answer))
					}
					checkAnswer(t, row, status, answer)
					if want == command.StatusOK { // it may have changed something
						u = s.enter(t)
					}
				}
			}
		})
	}
}

// checkAnswer wants the payload that belongs to a status.
func checkAnswer(t testing.TB, row command.Row, status command.Status, answer []byte) {
	t.Helper()
	var into any
	switch {
	case status != command.StatusOK:
		into = new(command.ErrorResponse)
	case row.Response != nil:
		into = row.Response()
	}
	if err := command.Unmarshal(answer, into); err != nil {
		t.Errorf("%s: payload of %v: %v", row.Name, status, err)
	}
	if e, ok := into.(*command.ErrorResponse); ok && e.Cause == "" {
		t.Errorf("%s: %v without a cause", row.Name, status)
	}
	if _, known := status.Name(); !known {
		t.Errorf("%s: status %#x has no name", row.Name, uint32(status))
	}
}

func TestEveryRowRefusesStrangeSessions(t *testing.T) {
	u := ready(t)
	other := u.hsm.Connect()
	foreign := u.openOn(other, command.SlotAdmin, false)
	closed := u.open(command.SlotAdmin, false)
	u.ok(command.CodeSessionClose, closed, nil, nil)
	for _, row := range command.Rows {
		for _, session := range []uint32{0, 0xFFFFFFFF, foreign, closed} {
			if row.Need == command.NeedNothing && session == 0 {
				continue
			}
			status, _ := u.host.Execute(context.Background(), row.Code, session, sample(t, row, command.SlotAdmin))
			if status != command.StatusSessionHandleInvalid {
				t.Errorf("%s in session %#x: %v", row.Name, session, status)
			}
		}
	}
}

func TestEveryRowRefusesMalformedPayloads(t *testing.T) {
	for _, row := range command.Rows {
		s := allowing(t, row)
		u := s.enter(t)
		session := map[command.Need]uint32{
			command.NeedSession: u.admin, command.NeedAdmin: u.admin,
			command.NeedPartition: u.user, command.NeedInitialised: u.user,
		}[row.Need]
		for _, payload := range [][]byte{{0xFF}, {0xA1}, []byte("junk"), {0xA1, 0x18, 0x63, 0x00}} {
			status, answer := u.host.Execute(context.Background(), row.Code, session, payload)
			if status != command.StatusArgumentsBad {
				t.Errorf("%s with payload %x in %q: %v%s", row.Name, payload, s.name, status, reason(answer))
			}
		}
	}
}

// allowing returns a situation in which the table permits a row.
func allowing(t testing.TB, row command.Row) situation {
	for _, s := range situations(t) {
		for _, slot := range []command.Slot{command.SlotAdmin, command.SlotPartition} {
			usable := slot == command.SlotAdmin || s.partition != command.PartitionAbsent
			if row.Need == command.NeedSession {
				usable = slot == command.SlotAdmin
			}
			if row.Need == command.NeedNothing || usable && s.refusal(row, slot) == command.StatusOK {
				return s
			}
		}
	}
	t.Fatalf("nobody may ever run %s", row.Name)
	return situation{}
}

func TestUnknownCommands(t *testing.T) {
	u := newUnit(t)
	for _, code := range []command.Code{0, 4, 0x0599, 0xFFFFFFFF} {
		u.do(command.StatusUnknownCommand, code, 0, nil, nil)
	}
}

func TestCancelledCommandsChangeNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, row := range command.Rows {
		s := allowing(t, row)
		u := s.enter(t)
		before := fmt.Sprint(u.info())
		session := map[command.Need]uint32{
			command.NeedSession: u.admin, command.NeedAdmin: u.admin,
			command.NeedPartition: u.user, command.NeedInitialised: u.user,
		}[row.Need]
		status, _ := u.host.Execute(ctx, row.Code, session, sample(t, row, command.SlotAdmin))
		if status != command.StatusFunctionCanceled {
			t.Errorf("%s: %v", row.Name, status)
		}
		if after := fmt.Sprint(u.info()); after != before {
			t.Errorf("%s: state %s, was %s", row.Name, after, before)
		}
	}
}

func TestClosedHostsAndDevices(t *testing.T) {
	u := ready(t)
	other := u.hsm.Connect()
	u.openOn(other, command.SlotPartition, false)
	other.Close()
	other.Close()
	u.on(other, command.StatusNoTransmission, command.CodeInfo, 0, nil, nil)
	if n := u.info().Sessions; n != 2 {
		t.Errorf("%d sessions, want the 2 of the host that stayed", n)
	}
	u.hsm.Close()
	u.do(command.StatusNoTransmission, command.CodeInfo, 0, nil, nil)
	u.on(u.hsm.Connect(), command.StatusNoTransmission, command.CodeInfo, 0, nil, nil)
	u.again()
}

func TestLimitsTableCoversTheRoles(t *testing.T) {
	for i, l := range hsm.Limits() {
		if l.Role != command.Roles[i] || l.Attempts == 0 || l.Evidence == "" {
			t.Errorf("row %d: %+v", i, l)
		}
	}
}
