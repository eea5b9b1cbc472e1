package command

import "fmt"

// Code is the number of a command, sent in the code field of a request frame.
// The high byte names the group: 00 device, 01 HSM, 02 partition, 03 sessions
// and roles, 04 objects, 05 cryptography, 06 audit, 07 the state of the unit,
// 08 its firmware, 09 functional modules.
type Code uint32

// The commands. Rows says what each one needs and carries.
const (
	CodeInfo       Code = 0x0001 // state, identity and storage of the device
	CodeEcho       Code = 0x0002 // returns its payload; for tests of the link
	CodeMechanisms Code = 0x0003 // mechanisms with their key sizes and uses

	CodeHSMInit         Code = 0x0101 // set label and HSM SO password; erases everything
	CodeHSMZeroize      Code = 0x0102 // destroy all keys and roles
	CodeHSMFactoryReset Code = 0x0103 // back to the state of delivery
	CodeHSMPolicies     Code = 0x0111
	CodeHSMPolicyChange Code = 0x0112

	CodePartitionCreate Code = 0x0201 // HSM SO creates the application partition
	CodePartitionDelete Code = 0x0202 // HSM SO deletes it with all it holds
	CodePartitionInit   Code = 0x0203 // set label and Partition SO password

	CodePartitionPolicies     Code = 0x0211
	CodePartitionPolicyChange Code = 0x0212
	CodePartitionMetrics      Code = 0x0221 // how often keys were used

	CodeSessionOpen    Code = 0x0301
	CodeSessionClose   Code = 0x0302
	CodeSessionInfo    Code = 0x0303
	CodeLogin          Code = 0x0311
	CodeLogout         Code = 0x0312
	CodeRoleInit       Code = 0x0313 // the role above sets a role's first password
	CodeChangePassword Code = 0x0314 // the logged-in role changes its own password
	CodeRoleState      Code = 0x0315
	CodeRoleReset      Code = 0x0316 // the role above sets another password

	CodeRoleCreateChallenge Code = 0x0317 // the role above sets a challenge secret
	CodeRoleDeactivate      Code = 0x0318 // the keyset is wanted again

	CodeGenerateKey     Code = 0x0401
	CodeGenerateKeyPair Code = 0x0402
	CodeCreateObject    Code = 0x0403 // from what the host sends: data, certificates, keys
	CodeCopyObject      Code = 0x0404
	CodeUnwrapKey       Code = 0x0405
	CodeDeriveKey       Code = 0x0406
	CodeEncapsulateKey  Code = 0x0407
	CodeDecapsulateKey  Code = 0x0408
	CodeFindObjects     Code = 0x0411
	CodeGetAttributes   Code = 0x0412
	CodeSetAttributes   Code = 0x0413
	CodeDestroyObject   Code = 0x0414
	CodeObjectSize      Code = 0x0415
	CodeWrapKey         Code = 0x0416

	CodeKeyAuthorize          Code = 0x0421 // per-key authorization: let the session use a key
	CodeKeySetAuthorization   Code = 0x0422
	CodeKeyResetAuthorization Code = 0x0423
	CodeKeyAssign             Code = 0x0424
	CodeKeyUnblock            Code = 0x0425
	CodeKeyStatus             Code = 0x0426

	CodeSign    Code = 0x0501 // signatures and MACs
	CodeVerify  Code = 0x0502
	CodeEncrypt Code = 0x0511
	CodeDecrypt Code = 0x0512
	CodeDigest  Code = 0x0521
	CodeRandom  Code = 0x0531

	CodeOperationBegin  Code = 0x0541 // the same with data in parts
	CodeOperationUpdate Code = 0x0542
	CodeOperationFinish Code = 0x0543
	CodeOperationCancel Code = 0x0544
	CodeDigestKey       Code = 0x0545 // hashes the value of a key

	CodeAuditConfig       Code = 0x0601
	CodeAuditSetConfig    Code = 0x0602 // the Auditor chooses what is recorded
	CodeAuditStatus       Code = 0x0603
	CodeAuditRead         Code = 0x0604 // the host takes records
	CodeAuditAcknowledge  Code = 0x0605 // and has them safe
	CodeAuditLogMessage   Code = 0x0606 // the host has something recorded
	CodeAuditSetDomain    Code = 0x0607
	CodeAuditExportSecret Code = 0x0608
	CodeAuditImportSecret Code = 0x0609
	CodeAuditVerify       Code = 0x060A

	CodeTamper       Code = 0x0700 // no command: what the audit log calls a finding of the sensors
	CodeTamperShow   Code = 0x0701
	CodeTamperClear  Code = 0x0702
	CodeHSMRestart   Code = 0x0703 // the device leaves the bus and comes back
	CodeSTMTransport Code = 0x0711 // begin Secure Transport Mode
	CodeSTMRecover   Code = 0x0712 // show whether the HSM was touched, and end it
	CodeSTMShow      Code = 0x0713
	CodeTimeGet      Code = 0x0721
	CodeTimeSync     Code = 0x0722 // the host sets the clock

	CodeUpdatePlan     Code = 0x0801 // asks what an update would do
	CodeUpdateBegin    Code = 0x0802 // begins or goes on with an update, by the head of its file
	CodeUpdateChunk    Code = 0x0803
	CodeUpdateStage    Code = 0x0804 // verifies the whole
	CodeUpdateStatus   Code = 0x0805
	CodeUpdateApply    Code = 0x0806 // the new firmware is to run; the device leaves the bus and comes back
	CodeUpdateAbort    Code = 0x0807
	CodeUpdateRollback Code = 0x0811 // the firmware before is to run; erases everything
	CodeUpdateFloor    Code = 0x0812 // rules older firmware out for good

	CodeUpdateCapability Code = 0x0821 // takes a licence; the device leaves the bus and comes back
	CodeLicences         Code = 0x0822

	CodeModuleLoad   Code = 0x0901 // takes a functional module
	CodeModuleList   Code = 0x0902
	CodeModuleDelete Code = 0x0903
	CodeModuleCall   Code = 0x0911
)

// String returns the command's name, or its number if the table has no such row.
func (c Code) String() string {
	if row, ok := Lookup(c); ok {
		return row.Name
	}
	if c == CodeTamper {
		return "tamper"
	}
	return fmt.Sprintf("command 0x%04x", uint32(c))
}

// Slot numbers a logical token of the device.
type Slot uint32

// The two slots of a device with one application partition.
const (
	SlotPartition Slot = 0 // the application partition
	SlotAdmin     Slot = 1 // the HSM itself
)

// Role is who is logged in to a session.
type Role uint8

const (
	RoleNone          Role = 0 // nobody is logged in
	RoleSO            Role = 1 // HSM Security Officer
	RoleAdministrator Role = 2
	RoleAuditor       Role = 3
	RolePO            Role = 4 // Partition Security Officer
	RoleCO            Role = 5 // Crypto Officer
	RoleLCO           Role = 6 // Limited Crypto Officer
	RoleCU            Role = 7 // Crypto User
)

// RoleInfo is one row of the table of roles.
type RoleInfo struct {
	Role  Role
	Short string // in the administrator's shell
	Name  string
	Slot  Slot // where it logs in
	// By is the role that gives it its first password; RoleNone for so and po,
	// which choose theirs when the HSM or the partition is initialised, and for
	// auditor, which depends on no other role.
	By Role
	// Keys says that the role works with the partition's private objects.
	Keys bool
}

// RoleTable has a row for each role that can log in, in the order of the numbers.
var RoleTable = []RoleInfo{
	{RoleSO, "so", "HSM Security Officer", SlotAdmin, RoleNone, false},
	{RoleAdministrator, "administrator", "Administrator", SlotAdmin, RoleSO, false},
	{RoleAuditor, "auditor", "Auditor", SlotAdmin, RoleNone, false},
	{RolePO, "po", "Partition Security Officer", SlotPartition, RoleNone, false},
	{RoleCO, "co", "Crypto Officer", SlotPartition, RolePO, true},
	{RoleLCO, "lco", "Limited Crypto Officer", SlotPartition, RoleCO, true},
	{RoleCU, "cu", "Crypto User", SlotPartition, RoleCO, true},
}

// Roles lists the roles that can log in, in the order of their numbers.
var Roles = []Role{RoleSO, RoleAdministrator, RoleAuditor, RolePO, RoleCO, RoleLCO, RoleCU}

// Info returns the row of r, and whether it is a role that can log in.
func (r Role) Info() (RoleInfo, bool) {
	if r == RoleNone || int(r) > len(RoleTable) {
		return RoleInfo{}, false
	}
	return RoleTable[r-1], true
}

// String returns the short name used by the administrator's shell.
func (r Role) String() string {
	if info, ok := r.Info(); ok {
		return info.Short
	}
	if r == RoleNone {
		return "none"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// Slot returns the slot in which r logs in; that of no role is SlotPartition.
func (r Role) Slot() Slot {
	info, _ := r.Info()
	return info.Slot
}

// ParseRole returns the role with the short name s.
func ParseRole(s string) (Role, error) {
	for _, info := range RoleTable {
		if info.Short == s {
			return info.Role, nil
		}
	}
	return RoleNone, fmt.Errorf("no role %q: use so, administrator, auditor, po, co, lco or cu", s)
}
