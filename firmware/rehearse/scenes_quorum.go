package rehearse

import "usbhsm7/firmware/command"

// quorumScenes are about keysets, which people in front of the device make and
// present.
func quorumScenes() []Scene {
	const admin, partition = command.SlotAdmin, command.SlotPartition
	wrongKeyset := keyset("wrong keyset of the SO", command.RoleSO, 0, wrong)
	wrongKeyset.Status = command.StatusPINIncorrect
	lastKeyset := keyset("last keyset of the SO", command.RoleSO, 2, wrong)
	lastKeyset.Status, lastKeyset.Apart, lastKeyset.Destroys = command.StatusSOLoginFailureThreshold, punished, true
	return []Scene{
		{
			Name: "initialisation for keysets", Stage: Audited, Code: command.CodeHSMInit, Slot: admin,
			Request: func(o *Operator) any {
				o.machine.crew().Make(usual(command.RoleSO))
				return &command.HSMInitRequest{Label: "x", Method: command.AuthQuorum}
			},
		},
		{Name: "soft initialisation with a keyset", Stage: Keyed, Before: as(command.RoleSO), Code: command.CodeHSMInit, Slot: admin, Request: the(&command.HSMInitRequest{Label: "x"}), Destroys: true},
		{
			Name: "partition initialisation with a keyset", Stage: Keyed, Before: as(command.RolePO), Code: command.CodePartitionInit, Slot: partition,
			Request:  making(next, &command.PartitionInitRequest{Label: "x"}),
			Destroys: true,
		},
		keyset("login of the SO with a keyset", command.RoleSO, 1, usual(command.RoleSO)),
		keyset("login of the CU with a keyset", command.RoleCU, 3, usual(command.RoleCU)),
		wrongKeyset,
		lastKeyset,
		{
			Name: "another keyset for a role", Stage: Keyed, Before: as(command.RolePO), Code: command.CodeRoleReset, Slot: partition,
			Request: making(next, &command.RoleResetRequest{Role: command.RoleCO}),
		},
		{
			Name: "first keyset of the CO", Stage: Keyed, Code: command.CodeRoleInit, Slot: partition,
			Before: func(o *Operator) {
				o.Login(command.RolePO)
				o.Must(command.CodePartitionInit, o.user, &command.PartitionInitRequest{Label: "x", Password: o.secret(usual(command.RolePO))}, nil)
				o.Login(command.RolePO)
			},
			Request: making(next, &command.RoleInitRequest{Role: command.RoleCO}),
		},
		{
			Name: "change of a keyset", Stage: Keyed, Before: as(command.RolePO), Code: command.CodeChangePassword, Slot: partition,
			Request: making(next, &command.ChangePasswordRequest{}), Spends: command.RolePO,
		},
		{
			Name: "change of a keyset without the old one", Stage: Keyed, Code: command.CodeChangePassword, Slot: partition,
			Before: func(o *Operator) {
				o.Login(command.RolePO)
				o.machine.crew().Bring(wrong)
			},
			Request: making(next, &command.ChangePasswordRequest{}), Spends: command.RolePO, Status: command.StatusPINIncorrect,
		},
	}
}

// keyset is a login with a keyset after some wrong ones.
func keyset(name string, role command.Role, failures int, brings string) Scene {
	return Scene{
		Name: name, Stage: Keyed, Before: func(o *Operator) { o.Fail(role, failures) }, Code: command.CodeLogin, Slot: role.Slot(),
		Request: func(o *Operator) any {
			o.machine.crew().Bring(brings)
			return &command.LoginRequest{Role: role}
		},
		Spends: role,
	}
}

// making has the people make a keyset when they are asked.
func making(name string, request any) func(*Operator) any {
	return func(o *Operator) any {
		o.machine.crew().Make(name)
		return request
	}
}

// activationScenes are about challenge secrets and what they are for. The power of
// a rehearsal is never away for long, so that activation outlives its cuts.
func activationScenes() []Scene {
	const partition = command.SlotPartition
	co := command.RoleCO
	answer := func(text string) func(*Operator) any {
		return func(o *Operator) any {
			o.machine.crew().Bring(usual(co))
			return &command.LoginRequest{Role: co, Password: []byte(text)}
		}
	}
	policy := func(id uint8, value uint16) *command.PolicyChangeRequest {
		return &command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: id, Value: value}}}
	}
	return []Scene{
		{
			Name: "challenge secret from above", Stage: Keyed, Before: as(command.RolePO), Code: command.CodeRoleCreateChallenge, Slot: partition,
			Request: the(&command.RoleCreateChallengeRequest{Role: co, Secret: []byte(next)}),
		},
		{
			Name: "change of a challenge secret", Stage: Keyed, Before: as(co), Code: command.CodeChangePassword, Slot: partition,
			Request: the(&command.ChangePasswordRequest{Old: []byte(challenge), New: []byte(next)}), Spends: co,
		},
		{Name: "login that activates", Stage: Keyed, Before: func(o *Operator) { o.Fail(co, 1) }, Code: command.CodeLogin, Slot: partition, Request: answer(challenge), Spends: co},
		{Name: "login of an activated role", Stage: Keyed, Before: activated, Code: command.CodeLogin, Slot: partition, Request: answer(challenge), Spends: co},
		{
			Name: "wrong challenge secret", Stage: Keyed, Before: activated, Code: command.CodeLogin, Slot: partition,
			Request: answer(wrong), Spends: co, Status: command.StatusChallengeIncorrect, Returns: true,
		},
		{
			Name: "wrong challenge secret that counts", Stage: Keyed, Code: command.CodeLogin, Slot: partition,
			Before: func(o *Operator) {
				o.Login(command.RolePO)
				o.Must(command.CodePartitionPolicyChange, o.user, policy(15, 0), nil)
				o.Logout(command.RolePO)
				activated(o)
			},
			Request: answer(wrong), Spends: co, Status: command.StatusChallengeIncorrect,
		},
		{
			Name: "deactivation", Stage: Keyed, Before: activatedUnder(command.RolePO), Code: command.CodeRoleDeactivate, Slot: partition,
			Request: the(&command.RoleDeactivateRequest{Role: co}),
		},
		{
			Name: "end of activation by a policy", Stage: Keyed, Before: activatedUnder(command.RolePO), Code: command.CodePartitionPolicyChange, Slot: partition,
			Request: the(policy(22, 0)),
		},
		{Name: "tamper event with an activated role", Stage: Keyed, Before: activated, Code: command.CodeTamper, Finding: command.TamperChassisOpened},
		{
			Name: "clearing of a tamper event with an activated role", Stage: Keyed, Code: command.CodeTamperClear, Slot: command.SlotAdmin,
			Before: func(o *Operator) {
				activated(o)
				tampered(o)
			},
		},
	}
}

// activated leaves the Crypto Officer activated and logged out.
func activated(o *Operator) {
	o.Login(command.RoleCO)
	o.Logout(command.RoleCO)
}

// activatedUnder does so and logs another role in.
func activatedUnder(role command.Role) func(*Operator) {
	return func(o *Operator) {
		activated(o)
		o.Login(role)
	}
}
