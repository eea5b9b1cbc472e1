package rehearse

import "usbhsm7/firmware/command"

func sessionScenes() []Scene {
	const partition = command.SlotPartition
	return []Scene{
		{Name: "opening of a session", Stage: Staffed, Code: command.CodeSessionOpen, Request: the(&command.SessionOpenRequest{Slot: partition})},
		{Name: "closing of a session", Stage: Staffed, Code: command.CodeSessionClose, Slot: partition},
		{Name: "state of a session", Stage: Staffed, Code: command.CodeSessionInfo, Slot: partition, Quiet: asks},
		login("login of the SO", command.RoleSO, 1),
		login("login of the PO", command.RolePO, 3),
		login("login of the CO", command.RoleCO, 1),
		refused("wrong password of the SO", command.RoleSO, 0, command.StatusPINIncorrect),
		refused("wrong password of the Auditor", command.RoleAuditor, 1, command.StatusPINIncorrect),
		refused("wrong password of the CU", command.RoleCU, 3, command.StatusPINIncorrect),
		last("last attempt of the SO", command.RoleSO, 2, command.StatusSOLoginFailureThreshold, true),
		last("last attempt of the PO", command.RolePO, 9, command.StatusPINIncorrectZeroized, true),
		last("last attempt of the CO", command.RoleCO, 9, command.StatusPINIncorrectLocked, false),
		{Name: "logout", Stage: Staffed, Before: as(command.RoleCO), Code: command.CodeLogout, Slot: partition},
	}
}

// login is one with the right password after some wrong ones.
func login(name string, role command.Role, failures int) Scene {
	return Scene{
		Name: name, Stage: Staffed, Before: func(o *Operator) { o.Fail(role, failures) }, Code: command.CodeLogin, Slot: role.Slot(),
		Request: the(&command.LoginRequest{Role: role, Password: []byte(usual(role))}), Spends: role,
	}
}

// refused is one with a wrong password.
func refused(name string, role command.Role, failures int, status command.Status) Scene {
	s := login(name, role, failures)
	s.Request = the(&command.LoginRequest{Role: role, Password: []byte(wrong)})
	s.Status = status
	return s
}

// last is the attempt that has an effect.
func last(name string, role command.Role, failures int, status command.Status, destroys bool) Scene {
	s := refused(name, role, failures, status)
	s.Apart, s.Destroys = punished, destroys
	return s
}

func passwordScenes() []Scene {
	const admin, partition = command.SlotAdmin, command.SlotPartition
	change := func(old string) func(*Operator) any {
		return the(&command.ChangePasswordRequest{Old: []byte(old), New: []byte(next)})
	}
	return []Scene{
		{
			Name: "first password of the Auditor", Stage: Delivered, Code: command.CodeRoleInit, Slot: admin,
			Request: the(&command.RoleInitRequest{Role: command.RoleAuditor, Password: []byte(next)}),
		},
		{
			Name: "first password of the CO", Stage: Partitioned, Before: as(command.RolePO), Code: command.CodeRoleInit, Slot: partition,
			Request: the(&command.RoleInitRequest{Role: command.RoleCO, Password: []byte(next)}),
		},
		{
			Name: "change of a password", Stage: Staffed, Before: as(command.RoleCO), Code: command.CodeChangePassword, Slot: partition,
			Request: change(usual(command.RoleCO)), Spends: command.RoleCO,
		},
		{
			Name: "change of a password without the old one", Stage: Staffed, Before: as(command.RoleSO), Code: command.CodeChangePassword, Slot: admin,
			Request: change(wrong), Spends: command.RoleSO, Status: command.StatusPINIncorrect,
		},
		{
			Name: "state of a role", Stage: Staffed, Code: command.CodeRoleState, Slot: partition,
			Request: the(&command.RoleStateRequest{Role: command.RoleCO}), Quiet: asks,
		},
		{
			Name: "another password for a role that is locked", Stage: Staffed, Code: command.CodeRoleReset, Slot: partition,
			Before: func(o *Operator) {
				o.Fail(command.RoleCO, 9)
				o.expect(command.StatusPINIncorrectLocked, o.tryLogin(command.RoleCO, wrong), command.CodeLogin)
				o.Login(command.RolePO)
			},
			Request: the(&command.RoleResetRequest{Role: command.RoleCO, Password: []byte(next)}),
		},
	}
}

func auditScenes() []Scene {
	const admin = command.SlotAdmin
	auditor := as(command.RoleAuditor)
	// used leaves uses of a key whose records are not written yet.
	used := func(o *Operator) {
		o.Login(command.RoleCU)
		for range 3 {
			o.Must(command.CodeEncrypt, o.user, &command.CipherRequest{
				Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: aesKey, Data: make([]byte, 16),
			}, nil)
		}
	}
	return []Scene{
		{Name: "what is recorded", Stage: Staffed, Code: command.CodeAuditConfig, Slot: admin, Quiet: asks},
		{
			Name: "choice of what is recorded", Stage: Staffed, Before: auditor, Code: command.CodeAuditSetConfig, Slot: admin,
			Request: the(&command.AuditConfig{Mask: command.AuditAll, Rotation: command.RotateDaily, Size: 100}),
		},
		{Name: "state of the log", Stage: Staffed, Before: used, Code: command.CodeAuditStatus, Slot: admin},
		{Name: "reading of the log", Stage: Staffed, Before: used, Code: command.CodeAuditRead, Slot: admin, Request: the(&command.AuditReadRequest{})},
		{
			Name: "acknowledgement of records", Stage: Staffed, Code: command.CodeAuditAcknowledge, Slot: admin,
			Request: the(&command.AuditAcknowledgeRequest{Through: 10}),
		},
		{
			Name: "message of the host", Stage: Staffed, Code: command.CodeAuditLogMessage, Slot: admin,
			Request: the(&command.AuditMessageRequest{Message: "hello"}),
		},
		{
			Name: "domain of the Auditor", Stage: Staffed, Before: auditor, Code: command.CodeAuditSetDomain, Slot: admin,
			Request: the(&command.AuditDomainRequest{Domain: []byte("another")}),
		},
		{Name: "export of the secret", Stage: Staffed, Before: auditor, Code: command.CodeAuditExportSecret, Slot: admin},
		{
			Name: "import of a secret", Stage: Staffed, Before: auditor, Code: command.CodeAuditImportSecret, Slot: admin,
			Request: func(o *Operator) any {
				var secret command.AuditSecret
				o.Must(command.CodeAuditExportSecret, o.admin, nil, &secret)
				return &secret
			},
		},
		{
			Name: "verification of a log", Stage: Staffed, Before: auditor, Code: command.CodeAuditVerify, Slot: admin,
			Request: the(&command.AuditVerifyRequest{Serial: serial}),
		},
	}
}
