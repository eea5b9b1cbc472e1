package rehearse

import (
	"fmt"
	"slices"
	"strings"

	"usbhsm7/firmware/command"
)

// Observation is what can be seen of a device by who knows all passwords.
type Observation struct {
	facts   string                   // state, policies, roles, passwords that open them, objects
	left    [command.RoleCU + 1]uint // attempts
	tries   uint                     // that failed to authorise keys, all together
	highest command.Handle           // of a token object
	next    command.Handle           // of a token object that is made now; 0: nobody can make one
	log     []command.AuditRecord    // that the host has not acknowledged
	verdict []command.AuditFinding   // on the log; nil: it is whole
}

// observe looks at a device that is switched on. It logs everybody out and in,
// so that the device is of no more use.
func observe(m machine) (*Observation, error) {
	o := &Operator{machine: m}
	s := &Observation{}
	o.admin = o.open(command.SlotAdmin)
	status := s.readLog(o)
	var facts strings.Builder
	s.public(o, &facts)
	o.Do(command.CodeLogout, o.admin, nil, nil)
	if o.user != 0 {
		o.Do(command.CodeLogout, o.user, nil, nil)
	}
	for _, role := range command.Roles {
		if o.Session(role.Slot()) == 0 {
			continue
		}
		o.answer = ""
		if by := s.enter(o, role, &facts); by == command.StatusOK {
			s.inside(o, role, status, &facts)
			o.Do(command.CodeLogout, o.Session(role.Slot()), nil, nil)
		}
	}
	s.facts = facts.String()
	return s, o.err
}

// readLog reads the audit log but for the record of the session that reads it.
// Of a log that cannot be read at present it takes the end for the whole.
func (s *Observation) readLog(o *Operator) (status command.AuditStatusResponse) {
	o.Must(command.CodeAuditStatus, o.admin, nil, &status)
	for more := true; more && o.err == nil; {
		var r command.AuditReadResponse
		request := command.AuditReadRequest{}
		if n := len(s.log); n > 0 {
			request.After = s.log[n-1].Number
		}
		if o.Do(command.CodeAuditRead, o.admin, &request, &r) != command.StatusOK {
			s.log = []command.AuditRecord{{Number: status.Head.Number, Code: status.Head.Code}}
			return status
		}
		s.log, more = append(s.log, r.Records...), r.More
	}
	if n := len(s.log); n > 0 && status.Mask.Wants(command.AuditAccess, true) {
		s.log = s.log[:n-1]
	}
	return status
}

// roomUnit is in how many bytes the room that objects take is noted: finer than what a
// conversion adds to them, coarser than a counter of failures to authorise a key.
const roomUnit = 64

// public notes what needs no login.
func (s *Observation) public(o *Operator, facts *strings.Builder) {
	var info command.InfoResponse
	o.Must(command.CodeInfo, 0, nil, &info)
	o.quorum = info.Method == command.AuthQuorum
	fmt.Fprintln(facts, info.Serial, info.State, info.Method, info.Label, info.Partition, info.PartitionLabel, info.Objects, info.PartitionUsed/roomUnit)
	ask[command.AuditConfig](o, facts, command.CodeAuditConfig, o.admin, nil)
	ask[command.TamperShowResponse](o, facts, command.CodeTamperShow, o.admin, nil)
	ask[command.STMShowResponse](o, facts, command.CodeSTMShow, o.admin, nil)
	ask[command.UpdateStatus](o, facts, command.CodeUpdateStatus, o.admin, nil)
	ask[command.LicencesResponse](o, facts, command.CodeLicences, o.admin, nil)
	ask[command.ModuleListResponse](o, facts, command.CodeModuleList, o.admin, nil)
	ask[command.PoliciesResponse](o, facts, command.CodeHSMPolicies, o.admin, nil)
	if info.Partition != command.PartitionAbsent {
		o.user = o.open(command.SlotPartition)
		ask[command.PoliciesResponse](o, facts, command.CodePartitionPolicies, o.user, nil)
	}
	for _, role := range command.Roles {
		if session := o.Session(role.Slot()); session != 0 {
			var r command.RoleStateResponse
			status := o.Do(command.CodeRoleState, session, &command.RoleStateRequest{Role: role}, &r)
			fmt.Fprintln(facts, role, status, "initialised", r.Initialised, "change due", r.ChangeDue, r.Primary, r.Secondary, "activated", r.Activated, "challenge due", r.ChallengeDue)
			s.left[role] = r.AttemptsLeft
		}
	}
}

// ask notes the answer to a command, or that it is refused.
func ask[R any](o *Operator, facts *strings.Builder, code command.Code, session uint32, request any) {
	var r R
	status := o.Do(code, session, request, &r)
	fmt.Fprintf(facts, "%s %v %+v\n", code, status, r)
}

// enter finds out which password opens a role.
func (s *Observation) enter(o *Operator, role command.Role, facts *strings.Builder) (status command.Status) {
	for _, password := range []string{usual(role), next} {
		status = o.tryLogin(role, password)
		fmt.Fprintln(facts, role, "with", password, o.answer, status)
		if status != command.StatusPINIncorrect {
			break
		}
	}
	return status
}

// inside notes what a role sees that has logged in.
func (s *Observation) inside(o *Operator, role command.Role, status command.AuditStatusResponse, facts *strings.Builder) {
	switch role {
	case command.RoleAuditor:
		s.verify(o, status, facts)
	case command.RoleCO:
		s.objects(o, facts)
	}
}

// verify has the device check its own log.
func (s *Observation) verify(o *Operator, status command.AuditStatusResponse, facts *strings.Builder) {
	var r command.AuditVerifyResponse
	request := command.AuditVerifyRequest{Serial: serial, Records: s.log}
	if len(s.log) > 0 && s.log[0].Number > 1 {
		request.After = &command.AuditHead{Number: s.log[0].Number - 1}
	}
	if n := len(s.log); n > 0 {
		request.Head = &command.AuditHead{Number: s.log[n-1].Number, Code: s.log[n-1].Code}
	} else if status.Initialised {
		request.After = &command.AuditHead{Number: status.Head.Number}
	}
	fmt.Fprintln(facts, "verify", o.Do(command.CodeAuditVerify, o.admin, &request, &r))
	s.verdict = r.Findings
	fmt.Fprintln(facts, "export", o.Do(command.CodeAuditExportSecret, o.admin, nil, nil))
}

// objects notes every object with its attributes, and has a new one made.
func (s *Observation) objects(o *Operator, facts *strings.Builder) {
	var found command.FindObjectsResponse
	fmt.Fprintln(facts, "find", o.Do(command.CodeFindObjects, o.user, &command.FindObjectsRequest{}, &found))
	for _, handle := range found.Objects {
		s.highest = max(s.highest, handle)
		var r command.GetAttributesResponse
		o.Must(command.CodeGetAttributes, o.user, &command.GetAttributesRequest{Object: handle}, &r)
		delete(r.Attributes, command.AttrFailedAuthCount)
		fmt.Fprintln(facts, "object", handle, r.Attributes)
		var key command.KeyStatusResponse
		if o.Do(command.CodeKeyStatus, o.user, &command.KeyStatusRequest{Key: handle}, &key) == command.StatusOK {
			s.tries += key.Failures
		}
	}
	var made command.ObjectResponse
	if status := o.Do(command.CodeGenerateKey, o.user, newSecret("probe"), &made); status != command.StatusOK {
		fmt.Fprintln(facts, "generate", status)
	}
	s.next = made.Object
}

// sameLog reports whether two logs have the same records.
func sameLog(a, b []command.AuditRecord) bool {
	return slices.EqualFunc(a, b, func(a, b command.AuditRecord) bool {
		return a.Number == b.Number && slices.Equal(a.Code, b.Code)
	})
}

// equal reports whether two observations say the same.
func (s *Observation) equal(t *Observation) bool {
	return s.facts == t.facts && s.left == t.left && s.tries == t.tries && s.next == t.next && sameLog(s.log, t.log)
}

// differs returns the lines in which two texts of facts differ, for people.
func differs(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%q, want %q", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}
