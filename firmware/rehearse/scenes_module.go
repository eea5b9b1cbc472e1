package rehearse

import (
	"slices"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
)

// nothing is a functional module with one function, f, that does nothing:
//
//	(module (memory 1) (func (export "f") (result i32) (i32.const 0)))
var nothing = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x05\x01\x60\x00\x01\x7f" +
	"\x03\x02\x01\x00" +
	"\x05\x03\x01\x00\x01" +
	"\x07\x05\x01\x01f\x00\x00" +
	"\x0a\x06\x01\x04\x00\x41\x00\x0b")

// large is the same with so much in it that it fills several records.
func large() []byte {
	const filling = 10_000
	return slices.Concat(nothing, []byte{0, filling&0x7f | 0x80, filling >> 7}, make([]byte, filling))
}

// loading is the request that loads a module.
func loading(name string, code []byte) func(*Operator) any {
	return func(o *Operator) any {
		file, err := boottest.Module(&boot.Module{Name: name, Version: fuf.V(1, 0, 0), Code: code})
		if err != nil {
			o.err = err
		}
		return &command.ModuleLoadRequest{File: file, Authcode: boottest.Code[:], Client: "1.0.0"}
	}
}

// PermitModules has the HSM take a licence for HSM policy 50, which it has after a
// restart.
func (o *Operator) PermitModules() {
	file, err := boottest.Licence(&boot.Licence{
		Schema: boot.LicenceSchema, ID: 50, Name: "modules", Grants: []boot.Grant{{Table: boot.HSMPolicies, ID: 50, Capability: 1}},
	})
	if err != nil {
		o.err = err
	}
	o.Login(command.RoleSO)
	o.Must(command.CodeUpdateCapability, o.admin, &command.UpdateCapabilityRequest{File: file, Authcode: boottest.Code[:], Client: "1.0.0"}, nil)
	o.Logout(command.RoleSO)
}

// TurnModules turns HSM policy 50 on or off, which destroys the partition.
func (o *Operator) TurnModules(on bool) {
	setting := command.PolicySetting{ID: 50}
	if on {
		setting.Value = 1
	}
	o.Login(command.RoleSO)
	o.Must(command.CodeHSMPolicyChange, o.admin, &command.PolicyChangeRequest{Settings: []command.PolicySetting{setting}, Destructive: true}, nil)
	o.Logout(command.RoleSO)
}

// bringModule turns the policy on, goes the way to Staffed, and loads a module.
func bringModule(o *Operator) {
	o.TurnModules(true)
	o.Populate()
	o.Login(command.RoleSO)
	o.Must(command.CodeModuleLoad, o.admin, loading("m", nothing)(o), new(command.ModuleInfo))
	o.Logout(command.RoleSO)
}

func moduleScenes() []Scene {
	const admin, user = command.SlotAdmin, command.SlotPartition
	so := as(command.RoleSO)
	off := &command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 50, Value: 0}}, Destructive: true}
	return []Scene{
		{Name: "load of a functional module", Stage: Modular, Before: so, Code: command.CodeModuleLoad, Slot: admin, Request: loading("n", large())},
		{Name: "load of a later functional module", Stage: Modular, Before: so, Code: command.CodeModuleLoad, Slot: admin, Request: loading("m", large())},
		{
			Name: "functional module that is not genuine", Stage: Modular, Before: so, Code: command.CodeModuleLoad, Slot: admin,
			Request: the(&command.ModuleLoadRequest{File: []byte("file"), Authcode: boottest.Code[:], Client: "1.0.0"}), Status: command.StatusInvalidFUFHeader,
		},
		{Name: "list of functional modules", Stage: Modular, Code: command.CodeModuleList, Slot: admin, Quiet: asks},
		{Name: "deletion of a functional module", Stage: Modular, Before: so, Code: command.CodeModuleDelete, Slot: admin, Request: the(&command.ModuleDeleteRequest{Name: "m"})},
		{
			Name: "call of a functional module", Stage: Modular, Before: as(command.RoleCO), Code: command.CodeModuleCall, Slot: user,
			Request: the(&command.ModuleCallRequest{Module: "m", Function: "f"}), Quiet: computes,
		},
		{Name: "zeroization, which leaves functional modules", Stage: Modular, Before: so, Code: command.CodeHSMZeroize, Slot: admin, Destroys: true},
		{
			Name: "end of functional modules", Stage: Modular, Before: so, Code: command.CodeHSMPolicyChange, Slot: admin, Request: the(off), Destroys: true,
		},
	}
}
