package hsm

import (
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
)

// Content is what an HSM holds, as a set of bits.
type Content uint16

// Contents. Of a role it is password and attempts.
const (
	ContentSO Content = 1 << iota
	ContentHSMLabel
	ContentHSMDomain
	ContentHSMPolicies
	ContentAdministrator
	ContentAuditor
	ContentAuditLog      // with its secret and its settings
	ContentTampers       // what the sensors have found and nobody has cleared
	ContentTransport     // Secure Transport Mode
	ContentPartitionName // label and domain
	ContentPartitionPolicies
	ContentPartitionRoles
	ContentObjects
	ContentModules // functional modules
)

// ContentTable names the contents, in the order of their bits.
var ContentTable = []struct {
	Content Content
	Name    string
}{
	{ContentSO, "HSM SO"},
	{ContentHSMLabel, "label of the HSM"},
	{ContentHSMDomain, "domain of the HSM"},
	{ContentHSMPolicies, "policies of the HSM"},
	{ContentAdministrator, "Administrator"},
	{ContentAuditor, "Auditor"},
	{ContentAuditLog, "audit log"},
	{ContentTampers, "tamper events"},
	{ContentTransport, "Secure Transport Mode"},
	{ContentPartitionName, "label and domain of the partition"},
	{ContentPartitionPolicies, "policies of the partition"},
	{ContentPartitionRoles, "roles of the partition"},
	{ContentObjects, "objects"},
	{ContentModules, "functional modules"},
}

// Has reports whether all of c are in the set.
func (s Content) Has(c Content) bool { return s&c == c }

// Sets that several rows share.
const (
	contentUnit   = ContentTampers | ContentTransport
	contentLog    = ContentAuditor | ContentAuditLog
	contentOfSO   = ContentSO | ContentHSMLabel | ContentHSMDomain | ContentHSMPolicies
	contentOfHSM  = contentOfSO | ContentAdministrator | contentLog | contentUnit
	contentAlways = ContentHSMPolicies | contentLog | contentUnit
)

// Erasure is one way to lose keys: what remains, everything else being destroyed
// together with the keys that could read it.
type Erasure struct {
	Event     string
	Keeps     Content
	HSM       command.HSMState // afterwards
	Partition command.PartitionState
	Evidence  string
}

var (
	factoryReset = Erasure{
		"hsm-factory-reset", 0, command.HSMFactory, command.PartitionAbsent, "USB HSM 7 documentation, zeroize_reset",
	}
	firmwareRollback = Erasure{
		"update-rollback", contentLog | contentUnit,
		command.HSMZeroized, command.PartitionAbsent, "PCIe HSM documentation, fw_rollback; that the Auditor stays is inferred",
	}
	zeroization = Erasure{
		"hsm-zeroize, or the last wrong password of the HSM SO", contentAlways | ContentModules,
		command.HSMZeroized, command.PartitionAbsent, "USB HSM 7 documentation, zeroize_reset",
	}
	decommission = Erasure{
		"tamper with HSM policies 40 and 48 on", contentAlways,
		command.HSMZeroized, command.PartitionAbsent, "PCIe HSM documentation, tamper; that the Auditor stays is inferred",
	}
	decommissionUnlocked = Erasure{
		"tamper with HSM policy 40 on, 48 off", contentOfSO | contentLog | contentUnit,
		command.HSMInitialised, command.PartitionAbsent, "PCIe HSM documentation, tamper; that the Auditor stays is inferred",
	}
	softInit = Erasure{
		"hsm-init of an initialised HSM", contentOfHSM&^ContentHSMLabel | ContentModules,
		command.HSMInitialised, command.PartitionAbsent, "USB HSM 7 documentation, hsm_init",
	}
	partitionRemoval = Erasure{
		"partition-delete", contentOfHSM | ContentModules,
		command.HSMInitialised, command.PartitionAbsent, "USB HSM 7 documentation, zeroize_reset",
	}
	policyDestruction = Erasure{
		"a destructive change of HSM policies, or a capability update that destroys", contentOfHSM,
		command.HSMInitialised, command.PartitionAbsent, "USB HSM 7 documentation, zeroize_reset",
	}
	partitionLockout = Erasure{
		"the last wrong password of the Partition SO", contentOfHSM | ContentModules | ContentPartitionPolicies,
		command.HSMInitialised, command.PartitionCreated, "product overview",
	}
	partitionInit = Erasure{
		"partition-init", contentOfHSM | ContentModules | ContentPartitionPolicies,
		command.HSMInitialised, command.PartitionInitialised, "USB HSM 7 documentation, policy 42",
	}
	partitionPolicyChange = Erasure{
		"a destructive change of partition policies",
		contentOfHSM | ContentModules | ContentPartitionName | ContentPartitionPolicies | ContentPartitionRoles,
		command.HSMInitialised, command.PartitionInitialised, "USB HSM 7 documentation, capabilities and policies",
	}
)

// Erasures lists all of them, from the widest to the narrowest.
func Erasures() []Erasure {
	return []Erasure{
		factoryReset, firmwareRollback, zeroization, decommission, decommissionUnlocked, softInit,
		partitionRemoval, policyDestruction, partitionLockout, partitionInit, partitionPolicyChange,
	}
}

// erase destroys what e does not keep, with the change. It leaves in u.state what
// remains, for the caller to go on from.
func (u *update) erase(e *Erasure) error {
	u.swap = swap{kind: swapReplace}
	was := u.state
	u.state = state{restart: was.restart}
	u.state.hsm, u.state.partition = e.remains(&was)
	if e.Keeps.Has(ContentTampers) {
		u.state.tamper = was.tamper
	}
	if e.Keeps.Has(ContentTransport) {
		u.state.transport = was.transport
	}
	for _, role := range command.Roles {
		if !e.Keeps.Has(contentOf(role)) {
			continue
		}
		u.state.roles[role] = was.roles[role]
		if err := u.keep(recordRole(role), recordAttempts(role)); err != nil {
			return err
		}
	}
	u.after(func() { u.hsm.forget(e) })
	if err := u.eraseModules(e); err != nil {
		return err
	}
	if e.Keeps.Has(ContentSO) {
		if err := u.keep(recordRecovery); err != nil {
			return err
		}
	}
	if !e.Keeps.Has(ContentAuditLog) {
		u.dropAudit()
		return nil
	}
	return u.keepAudit()
}

// remains returns the two records that an erasure leaves.
func (e *Erasure) remains(was *state) (h hsmRecord, p partitionRecord) {
	h.State, p.State = e.HSM, e.Partition
	if e.Keeps.Has(ContentHSMLabel) {
		h.Label = was.hsm.Label
	}
	if e.Keeps.Has(ContentHSMDomain) {
		h.Domain = was.hsm.Domain
	}
	if e.Keeps.Has(ContentSO) {
		h.Method = was.hsm.Method
	}
	if e.Keeps.Has(ContentHSMPolicies) {
		h.Policies = was.hsm.Policies
	}
	if e.Keeps.Has(ContentPartitionName) {
		p.Label, p.Domain = was.partition.Label, was.partition.Domain
	}
	if e.Keeps.Has(ContentPartitionPolicies) {
		p.Policies = was.partition.Policies
	}
	return h, p
}

// contentOf returns which content a role's password is.
func contentOf(role command.Role) Content {
	switch role {
	case command.RoleSO:
		return ContentSO
	case command.RoleAdministrator:
		return ContentAdministrator
	case command.RoleAuditor:
		return ContentAuditor
	}
	return ContentPartitionRoles
}

// zeroize destroys all keys, and the roles that hold them.
func (u *update) zeroize(by command.Role) error {
	u.event(command.Event{Code: command.EventZeroized, Role: by, Text: "the HSM is zeroized"})
	return u.erase(&zeroization)
}

// forget ends the logins of roles that are no more, with what they could read.
// The HSM's mu is held, as it is for the functions below.
func (h *HSM) forget(e *Erasure) {
	h.dropPartition()
	if e.Partition == command.PartitionAbsent {
		h.closePartition()
	}
	for host := range h.hosts {
		if l := host.logins[command.SlotAdmin].Load(); l != nil && !e.Keeps.Has(contentOf(l.role)) {
			host.logOut(command.SlotAdmin)
		}
	}
}

// dropPartition forgets all that was read from the partition.
func (h *HSM) dropPartition() {
	for host := range h.hosts {
		host.logOut(command.SlotPartition)
		host.dropObjects(func(*object.Object) bool { return true })
	}
	h.publish(object.Set{})
	h.stored.Store(0)
	h.lastToken = 0
	clear(h.uses)
	h.storage.clear()
	h.taken.Store(0)
}

func (h *HSM) closePartition() {
	for host := range h.hosts {
		host.closeSessions(command.SlotPartition)
	}
}

// evict logs everyone out and ends the sessions with the partition.
func (h *HSM) evict() {
	h.closePartition()
	for host := range h.hosts {
		host.logOut(command.SlotAdmin)
	}
}

// dropAll does the same, and forgets all that was read from the partition.
func (h *HSM) dropAll() {
	h.dropPartition()
	h.evict()
}
