package hsm_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
)

// audited is a staffed HSM that records what a mask says; its Auditor is logged
// in, and its Crypto Officer.
func audited(t testing.TB, mask string) *unit {
	t.Helper()
	u := powerOn(t, stage(t).staffed.Clone())
	u.user = u.open(command.SlotPartition, false)
	u.logIn(command.RoleAuditor)
	u.ok(command.CodeAuditSetDomain, u.admin, &command.AuditDomainRequest{Domain: []byte("audit-domain")}, nil)
	u.logIn(command.RoleCO)
	u.setMask(mask)
	return u
}

func (u *unit) setMask(text string) {
	u.t.Helper()
	mask, err := command.ParseAuditMask(text)
	if err != nil {
		u.t.Fatal(err)
	}
	u.ok(command.CodeAuditSetConfig, u.admin, &command.AuditConfig{Mask: mask, Rotation: command.RotateDaily, Size: 64}, nil)
}

func (u *unit) log() []command.AuditRecord {
	u.t.Helper()
	var all []command.AuditRecord
	for more := true; more; {
		request, r := &command.AuditReadRequest{}, command.AuditReadResponse{}
		if len(all) > 0 {
			request.After = all[len(all)-1].Number
		}
		u.ok(command.CodeAuditRead, u.admin, request, &r)
		all, more = append(all, r.Records...), r.More
	}
	return all
}

func (u *unit) auditStatus() (s command.AuditStatusResponse) {
	u.t.Helper()
	u.ok(command.CodeAuditStatus, u.admin, nil, &s)
	return s
}

// verifyLog has the HSM check its own log, up to its end.
func (u *unit) verifyLog(records []command.AuditRecord) []command.AuditFinding {
	u.t.Helper()
	head := u.auditStatus().Head
	request := &command.AuditVerifyRequest{Serial: "7000001", Records: records, Head: &head}
	if len(records) > 0 && records[0].Number > 1 {
		request.After = &command.AuditHead{Number: records[0].Number - 1}
	}
	var r command.AuditVerifyResponse
	u.ok(command.CodeAuditVerify, u.admin, request, &r)
	return r.Findings
}

// told writes events down in short.
func told(records []command.AuditRecord) []string {
	var list []string
	for _, r := range records {
		text := fmt.Sprintf("%s %s %s", r.Event.Role, r.Event.Operation, r.Event.Class)
		if r.Event.Status != command.StatusOK {
			name, _ := r.Event.Status.Name()
			text += " " + name
		}
		if r.Event.Message != "" {
			text += fmt.Sprintf(" %q", r.Event.Message)
		}
		list = append(list, text)
	}
	return list
}

func TestMaskDecidesWhatIsRecorded(t *testing.T) {
	act := func(u *unit) {
		key := u.aes("key")
		gcm := command.Mechanism{Type: command.MechAESGCM}
		u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: gcm, Key: key}, new(command.CipherResponse))
		u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: gcm, Key: key}, new(command.CipherResponse))
		u.do(command.StatusMechanismInvalid, command.CodeSign, u.user, &command.SignRequest{Key: key}, nil)
		u.ok(command.CodeAuditLogMessage, u.user, &command.AuditMessageRequest{Message: "hello"}, nil)
		u.ok(command.CodeLogout, u.user, nil, nil)
		u.login(command.StatusPINIncorrect, u.user, command.RoleCO, "a wrong one")
		u.logIn(command.RolePO)
		u.ok(command.CodePartitionPolicyChange, u.user, &command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 20, Value: 5}}}, nil)
	}
	tests := []struct {
		mask string
		want []string
	}{
		{"s,k", []string{"co generate-key keymanage"}},
		{"s,u", []string{"co encrypt usage", "co encrypt usage"}},
		{"s,r", []string{"co encrypt first usage"}},
		{"f,s,u", []string{"co encrypt usage", "co encrypt usage", "co sign usage LUNA_RET_MECHANISM_INVALID"}},
		{"s,x", []string{`co audit-logmsg external "hello"`}},
		{"f,a", []string{"co login access LUNA_RET_UM_PIN_INCORRECT"}},
		{"s,a", []string{"co logout access", "po login access"}},
		{"s,m", []string{"po partition-policy-change manage"}},
		{"f,g", nil},
		{"n", nil},
		{"l", []string{
			"auditor audit-set-config logmanage", "co generate-key keymanage", "co encrypt usage", "co encrypt usage",
			"co sign usage LUNA_RET_MECHANISM_INVALID", `co audit-logmsg external "hello"`, "co logout access",
			"co login access LUNA_RET_UM_PIN_INCORRECT", "po login access", "po partition-policy-change manage",
		}},
	}
	for _, test := range tests {
		t.Run(test.mask, func(t *testing.T) {
			u := audited(t, "n")
			u.setMask(test.mask)
			act(u)
			records := u.log()
			if got := told(records); !slices.Equal(got, test.want) {
				t.Errorf("recorded %q, want %q", got, test.want)
			}
			if findings := u.verifyLog(records); len(findings) != 0 {
				t.Errorf("the log does not verify: %v", findings)
			}
		})
	}
}

func TestLogOutlivesPowerAndZeroizationButNoFactoryReset(t *testing.T) {
	u := audited(t, "f,s,a,k")
	u.aes("key")
	u = u.reboot()
	for range 2 {
		u.login(command.StatusPINIncorrect, u.admin, command.RoleSO, "a wrong one")
	}
	u.login(command.StatusSOLoginFailureThreshold, u.admin, command.RoleSO, "a wrong one")
	u = u.reboot()
	u.logIn(command.RoleAuditor)
	records := u.log()
	want := []string{
		"co generate-key keymanage", "none session-open access",
		"so login access LUNA_RET_UM_PIN_INCORRECT", "so login access LUNA_RET_UM_PIN_INCORRECT",
		"so login access LUNA_RET_SO_LOGIN_FAILURE_THRESHOLD", "none session-open access", "auditor login access",
	}
	if got := told(records); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
	if findings := u.verifyLog(records); len(findings) != 0 {
		t.Errorf("%v", findings)
	}
	u.ok(command.CodeHSMFactoryReset, u.admin, nil, nil)
	for _, v := range []*unit{u, u.reboot()} {
		if s := v.auditStatus(); s.Initialised || s.Used != 0 || len(v.log()) != 0 {
			t.Errorf("after a factory reset: %+v", s)
		}
	}
}

func TestAnHSMOfTheSameDomainVerifiesTheLog(t *testing.T) {
	u := audited(t, "s,k")
	u.aes("key")
	records := u.log()
	var secret command.AuditSecret
	u.ok(command.CodeAuditExportSecret, u.admin, nil, &secret)
	auditor := func(domain string) *unit {
		v := powerOnAs(t, newChip(t, 128), rand.Reader, "7000003")
		v.ok(command.CodeRoleInit, v.admin, &command.RoleInitRequest{Role: command.RoleAuditor, Password: []byte(auditorPassword)}, nil)
		v.logIn(command.RoleAuditor)
		v.ok(command.CodeAuditSetDomain, v.admin, &command.AuditDomainRequest{Domain: []byte(domain)}, nil)
		return v
	}
	secret.Serial = "7000009" // as if it came from another unit: the name is bound to it
	auditor("audit-domain").do(command.StatusLogBadHMAC, command.CodeAuditImportSecret, 1, &secret, nil)
	secret.Serial = "7000001"
	other := auditor("another-domain")
	other.do(command.StatusLogBadHMAC, command.CodeAuditImportSecret, other.admin, &secret, nil)

	peer := auditor("audit-domain")
	request := &command.AuditVerifyRequest{Serial: "7000001", Records: records}
	peer.ok(command.CodeAuditImportSecret, peer.admin, &secret, nil)
	peer = peer.reboot()
	peer.logIn(command.RoleAuditor)
	var r command.AuditVerifyResponse
	if peer.ok(command.CodeAuditVerify, peer.admin, request, &r); len(r.Findings) != 0 || r.Checked != uint64(len(records)) {
		t.Errorf("found %+v", r)
	}
	request.Records[0].Event.Role = command.RoleCU
	if peer.ok(command.CodeAuditVerify, peer.admin, request, &r); len(r.Findings) != 1 || r.Findings[0].Fault != command.AuditChanged {
		t.Errorf("of a changed log found %+v", r)
	}
	peer.do(command.StatusLogNoKCV, command.CodeAuditVerify, peer.admin, &command.AuditVerifyRequest{Serial: "7000002", Records: records}, nil)
}

func TestHostTakesTheLogInParts(t *testing.T) {
	u := audited(t, "s,k")
	for range 5 {
		u.aes("key")
	}
	before := u.log()
	u.ok(command.CodeAuditAcknowledge, u.admin, &command.AuditAcknowledgeRequest{Through: before[2].Number}, nil)
	for _, v := range []*unit{u, u.reboot()} {
		if after := v.log(); !slices.Equal(told(after), told(before[3:])) || after[0].Number != before[3].Number {
			t.Errorf("left: %q", told(after))
		}
	}
	last := before[4].Number
	u.ok(command.CodeAuditAcknowledge, u.admin, &command.AuditAcknowledgeRequest{Through: last + 100}, nil)
	u = u.reboot()
	if s := u.auditStatus(); s.Used != 0 || s.First != 0 || s.Head.Number != last {
		t.Errorf("status of an emptied log %+v", s)
	}
	u.user = u.open(command.SlotPartition, false)
	u.logIn(command.RoleCO).logIn(command.RoleAuditor)
	u.aes("another")
	records := append(before, u.log()...)
	if findings := u.verifyLog(records); len(findings) != 0 || records[5].Number != last+1 {
		t.Errorf("the log that the host put together: %v", findings)
	}
}

func TestALongLogIsGivenUpAtOnce(t *testing.T) {
	u := powerOn(t, newChip(t, 2048))
	u.ok(command.CodeRoleInit, u.admin, &command.RoleInitRequest{Role: command.RoleAuditor, Password: []byte(auditorPassword)}, nil)
	u.logIn(command.RoleAuditor)
	u.ok(command.CodeAuditSetDomain, u.admin, &command.AuditDomainRequest{Domain: []byte("audit-domain")}, nil)
	u.setMask("s,x")
	const records = 1700
	for range records {
		u.ok(command.CodeAuditLogMessage, u.admin, &command.AuditMessageRequest{Message: "x"}, nil)
	}
	u.ok(command.CodeAuditAcknowledge, u.admin, &command.AuditAcknowledgeRequest{Through: records}, nil)
	if s := u.reboot().auditStatus(); s.Used != 0 || s.Head.Number != records {
		t.Errorf("status %+v", s)
	}
}

func TestUsesOfKeysAreWrittenInGroups(t *testing.T) {
	u := audited(t, "s,u")
	key := u.aes("key")
	use := func(n int) {
		for range n {
			u.ok(command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: key}, new(command.CipherResponse))
		}
	}
	cut := func() int { // what the flash has at this moment
		v := powerOn(t, u.flash.(*flash.Memory).Clone())
		return len(v.log())
	}
	use(63)
	if n := cut(); n != 0 {
		t.Errorf("%d records after 63 uses", n)
	}
	use(1)
	if n := cut(); n != 64 {
		t.Errorf("%d records after 64 uses", n)
	}
	use(10)
	u.ok(command.CodeAuditLogMessage, u.user, &command.AuditMessageRequest{Message: "not recorded"}, nil)
	u.aes("a change, not recorded either, takes them along")
	if n := cut(); n != 74 {
		t.Errorf("%d records after a change", n)
	}
	use(3)
	u.hsm.Close()
	if n := cut(); n != 77 {
		t.Errorf("%d records after power off", n)
	}
}

func TestFullLogRefusesWhatItWouldRecord(t *testing.T) {
	u := audited(t, "s,x,a")
	message := &command.AuditMessageRequest{Message: string(make([]byte, 1024))}
	status := command.StatusOK
	for n := 0; status == command.StatusOK && n < 2000; n++ {
		payload, err := command.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		status, _ = u.host.Execute(t.Context(), command.CodeAuditLogMessage, u.user, payload)
	}
	if s := u.auditStatus(); status != command.StatusLogFull || !s.Full {
		t.Fatalf("status %v, log %+v", status, s)
	}
	u.aes("what would not be recorded goes on")
	for range 100 { // so do logins, beyond all room
		u.ok(command.CodeLogout, u.user, nil, nil)
		u.logIn(command.RoleCO)
	}
	s := u.auditStatus()
	if s.Lost == 0 || s.Used > s.Capacity {
		t.Errorf("log %+v", s)
	}
	records := u.log()
	u.ok(command.CodeAuditAcknowledge, u.admin, &command.AuditAcknowledgeRequest{Through: s.Head.Number}, nil)
	u.ok(command.CodeAuditLogMessage, u.user, &command.AuditMessageRequest{Message: "room again"}, nil)
	records = append(records, u.log()...)
	if last := records[len(records)-1]; last.Event.Lost != s.Lost || last.Event.Message != "room again" {
		t.Errorf("the first record with room tells of %d lost events, %d were", last.Event.Lost, s.Lost)
	}
	if findings := u.verifyLog(records); len(findings) != 0 {
		t.Errorf("%v", findings)
	}
}

func TestConfigurationNeedsADomain(t *testing.T) {
	u := powerOn(t, stage(t).staffed.Clone())
	u.logIn(command.RoleAuditor)
	u.do(command.StatusLogNoKCV, command.CodeAuditSetConfig, u.admin, &command.AuditConfig{Mask: command.AuditAll}, nil)
	u.do(command.StatusLogNoKCV, command.CodeAuditExportSecret, u.admin, nil, nil)
	u.do(command.StatusArgumentsBad, command.CodeAuditSetDomain, u.admin, &command.AuditDomainRequest{}, nil)
	u.do(command.StatusArgumentsBad, command.CodeAuditSetConfig, u.admin, &command.AuditConfig{Mask: command.AuditMask(command.AuditUsage)}, nil)
	u.do(command.StatusArgumentsBad, command.CodeAuditSetConfig, u.admin, &command.AuditConfig{Rotation: 5}, nil)
}
