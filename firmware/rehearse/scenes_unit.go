package rehearse

import "usbhsm7/firmware/command"

func unitScenes() []Scene {
	const admin = command.SlotAdmin
	so := as(command.RoleSO)
	return []Scene{
		{Name: "tamper events", Stage: Staffed, Code: command.CodeTamperShow, Slot: admin, Quiet: asks},
		{Name: "tamper event", Stage: Staffed, Code: command.CodeTamper, Finding: command.TamperChassisOpened},
		{Name: "tamper event of a new device", Stage: Audited, Code: command.CodeTamper, Finding: command.TamperOverVoltage},
		{Name: "loss of the battery", Stage: Staffed, Code: command.CodeTamper, Finding: command.TamperBatteryLost, Destroys: true},
		{
			Name: "clearing of a tamper event", Stage: Staffed, Before: tampered, Code: command.CodeTamperClear, Slot: admin,
		},
		{
			Name: "restart", Stage: Staffed, Before: so, Code: command.CodeHSMRestart, Slot: admin,
			Status: command.StatusOperationRestricted, // there is nobody here who could
		},
		{Name: "beginning of Secure Transport Mode", Stage: Staffed, Before: so, Code: command.CodeSTMTransport, Slot: admin},
		{
			Name: "end of Secure Transport Mode", Stage: Staffed, Code: command.CodeSTMRecover, Slot: admin,
			Before: func(o *Operator) {
				o.Login(command.RoleSO)
				o.Must(command.CodeSTMTransport, o.admin, nil, nil)
				o.Login(command.RoleSO)
			},
			Request: the(&command.STMRecoverRequest{Random: "aaaa-aaaa-aaaa-aaaa", Proceed: true}),
		},
		{Name: "state of Secure Transport Mode", Stage: Staffed, Code: command.CodeSTMShow, Slot: admin, Quiet: asks},
		{Name: "time", Stage: Staffed, Code: command.CodeTimeGet, Slot: admin, Quiet: asks},
		{
			Name: "setting of the clock", Stage: Staffed, Code: command.CodeTimeSync, Slot: admin,
			Before: func(o *Operator) {
				o.Login(command.RoleSO)
				on := &command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 57, Value: 1}}}
				o.Must(command.CodeHSMPolicyChange, o.admin, on, nil)
			},
			Request: the(&command.DeviceTime{Seconds: uint64(now.Unix())}),
			Status:  command.StatusOperationRestricted, // the clock of a rehearsal stands still
		},
	}
}

// tampered leaves the HSM locked after a tamper event, with the SO logged in.
func tampered(o *Operator) {
	o.Tamper(command.TamperOverTemperature)
	o.Login(command.RoleSO)
}
