package policies

import (
	"time"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
)

// situation lists what a device can be like, and who is at it, when it is asked for
// something of the procedure. What costs most to bring about comes first.
func situation() []Axis {
	return []Axis{
		{"slots", []string{"delivered", "updated", "final", "rolling-back", "rolled-back"}},
		{"modules", []string{"never", "on", "once"}},
		{"floor", []string{"none", "raised"}},
		{"incoming", []string{"none", "receiving", "complete", "resumed", "staged", "trial"}},
		{"transport", []string{"off", "on"}},
		{"admin", []string{nobody, "so", "administrator", "auditor"}},
		{"user", []string{nobody, "po", "co", "lco", "cu"}},
		{"session", []string{"admin", "partition"}},
	}
}

// offering lists what comes with a file, and the files. "plan" is answered with what
// it says that "begin" would be refused with.
func offering() []Axis {
	return []Axis{
		{"command", []string{"plan", "begin", "capability"}},
		{"file", []string{"fits", "forged", "kind", "model", "path", "security", "policy", "over"}},
		{"code", []string{"right", "wrong"}},
	}
}

// ordering lists what is asked for without a file.
func ordering() []Axis {
	return []Axis{
		{"command", []string{"status", "licences", "chunk", "stage", "apply", "abort", "rollback", "floor", "floor-lower", "floor-higher"}},
		{"time", []string{"in", "over"}},
	}
}

// What the axes speak of. A device is made with firmware 7.9.2, whose security version
// is 1.
const (
	incomingSecurity = 4
	updatedSecurity  = 3
	olderSecurity    = 2  // of the file that is older than what was updated to
	policyThatIsOn   = 15 // of the HSM
)

// sooner and later are what the clock shows in the time of the update that is incoming,
// and when it is over.
var (
	sooner = begins.Add(time.Hour)
	later  = ends.Add(time.Hour)
)

// codes are the commands by the names of the axis.
var codes = map[string]command.Code{
	"plan": command.CodeUpdatePlan, "begin": command.CodeUpdateBegin, "capability": command.CodeUpdateCapability,
	"status": command.CodeUpdateStatus, "licences": command.CodeLicences,
	"chunk": command.CodeUpdateChunk, "stage": command.CodeUpdateStage, "apply": command.CodeUpdateApply,
	"abort": command.CodeUpdateAbort, "rollback": command.CodeUpdateRollback,
	"floor": command.CodeUpdateFloor, "floor-lower": command.CodeUpdateFloor, "floor-higher": command.CodeUpdateFloor,
}

// nobody is not one of the roles.
const nobody = "nobody"

// roles are the roles by the names of the axes.
var roles = map[string]command.Role{
	"so": command.RoleSO, "administrator": command.RoleAdministrator, "auditor": command.RoleAuditor,
	"po": command.RolePO, "co": command.RoleCO, "lco": command.RoleLCO, "cu": command.RoleCU,
}

// slots are those that a session can be with.
var slots = map[string]command.Slot{"admin": command.SlotAdmin, "partition": command.SlotPartition}

// request returns what is sent to a unit that runs firmware with a security version.
func (d *unitDesk) request(c combination, security uint32) (any, error) {
	code := boottest.Code
	if c["code"] == "wrong" {
		code = fuf.Authcode{1}
	}
	switch c["command"] {
	case "plan", "begin":
		head, err := d.files.head(fuf.Firmware, c["file"])
		return &command.UpdateRequest{Head: head, Authcode: code[:], Client: "1.0.0"}, err
	case "capability":
		file, err := d.files.file(fuf.Capability, c["file"])
		return &command.UpdateCapabilityRequest{File: file, Authcode: code[:], Client: "1.0.0"}, err
	case "chunk":
		return &command.UpdateChunkRequest{Data: d.incoming.Chunks[0]}, nil
	case "floor":
		return &command.UpdateFloorRequest{Security: security}, nil
	case "floor-lower":
		return &command.UpdateFloorRequest{Security: 0}, nil
	case "floor-higher":
		return &command.UpdateFloorRequest{Security: security + 1}, nil
	}
	return nil, nil
}
