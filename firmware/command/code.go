package command

import "fmt"

// Code is the number of a command, sent in the code field of a request frame.
// The high byte names the group: 00 device, 01 HSM, 02 partition, 03 sessions
// and roles, 04 objects, 05 cryptography.
type Code uint32

// The commands. Rows says what each one needs and carries.
const (
	CodeInfo       Code = 0x0001 // state, identity and storage of the device
	CodeEcho       Code = 0x0002 // returns its payload; for tests of the link
	CodeMechanisms Code = 0x0003 // mechanisms with their key sizes and uses

	CodeHSMInit         Code = 0x0101 // set label and HSM SO password; erases everything
	CodeHSMZeroize      Code = 0x0102 // destroy all keys and roles
	CodeHSMFactoryReset Code = 0x0103 // back to the state of delivery

	CodePartitionCreate Code = 0x0201 // HSM SO creates the application partition
	CodePartitionDelete Code = 0x0202 // HSM SO deletes it with all it holds
	CodePartitionInit   Code = 0x0203 // set label and Partition SO password

	CodeSessionOpen    Code = 0x0301
	CodeSessionClose   Code = 0x0302
	CodeSessionInfo    Code = 0x0303
	CodeLogin          Code = 0x0311
	CodeLogout         Code = 0x0312
	CodeRoleInit       Code = 0x0313 // Partition SO sets the Crypto Officer's first password
	CodeChangePassword Code = 0x0314 // the logged-in role changes its own password
	CodeRoleState      Code = 0x0315

	CodeGenerateKey     Code = 0x0401
	CodeGenerateKeyPair Code = 0x0402
	CodeFindObjects     Code = 0x0411
	CodeGetAttributes   Code = 0x0412
	CodeSetAttributes   Code = 0x0413
	CodeDestroyObject   Code = 0x0414

	CodeSign    Code = 0x0501 // signatures and MACs
	CodeVerify  Code = 0x0502
	CodeEncrypt Code = 0x0511
	CodeDecrypt Code = 0x0512
	CodeDigest  Code = 0x0521
	CodeRandom  Code = 0x0531
)

// String returns the command's name, or its number if the table has no such row.
func (c Code) String() string {
	if row, ok := Lookup(c); ok {
		return row.Name
	}
	return fmt.Sprintf("command 0x%04x", uint32(c))
}

// Slot numbers a logical token of the device.
type Slot uint32

// The two slots of a device with one application partition.
const (
	SlotPartition Slot = 0 // the application partition: PO and CO
	SlotAdmin     Slot = 1 // the HSM itself: SO
)

// Role is who is logged in to a session. Numbers 2, 3, 6 and 7 are kept for
// Administrator, Auditor, Limited Crypto Officer and Crypto User.
type Role uint8

const (
	RoleNone Role = 0 // nobody is logged in
	RoleSO   Role = 1 // HSM Security Officer, slot SlotAdmin
	RolePO   Role = 4 // Partition Security Officer, slot SlotPartition
	RoleCO   Role = 5 // Crypto Officer, slot SlotPartition
)

// Roles lists the roles that can log in, in the order of their rank.
var Roles = []Role{RoleSO, RolePO, RoleCO}

// String returns the short name used by the administrator's shell.
func (r Role) String() string {
	switch r {
	case RoleNone:
		return "none"
	case RoleSO:
		return "so"
	case RolePO:
		return "po"
	case RoleCO:
		return "co"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// Slot returns the slot in which r logs in.
func (r Role) Slot() Slot {
	if r == RoleSO {
		return SlotAdmin
	}
	return SlotPartition
}

// ParseRole returns the role with the short name s ("so", "po" or "co").
func ParseRole(s string) (Role, error) {
	for _, r := range Roles {
		if r.String() == s {
			return r, nil
		}
	}
	return RoleNone, fmt.Errorf("no role %q: use so, po or co", s)
}
