package command

import "fmt"

// Requests and responses. Each is one CBOR map with the integer keys given in
// the tags. A response type exists only where there is something to say: a
// command without one answers with an empty payload.

// HSMState is the life-cycle state of the whole HSM.
type HSMState uint8

const (
	HSMFactory     HSMState = 0 // as delivered, or after a factory reset
	HSMZeroized    HSMState = 1 // keys and roles destroyed; must be initialised
	HSMInitialised HSMState = 2 // label and HSM SO are set
)

// String returns the state as shown to people.
func (s HSMState) String() string {
	return [...]string{"factory", "zeroized", "initialised", "unknown"}[min(s, 3)]
}

// PartitionState is the life-cycle state of the application partition.
type PartitionState uint8

const (
	PartitionAbsent      PartitionState = 0
	PartitionCreated     PartitionState = 1 // created by the HSM SO, no role yet
	PartitionInitialised PartitionState = 2 // label and Partition SO are set
)

// String returns the state as shown to people.
func (s PartitionState) String() string {
	return [...]string{"absent", "created", "initialised", "unknown"}[min(s, 3)]
}

// AuthMethod is how somebody proves to be a role.
type AuthMethod uint8

const (
	AuthNone     AuthMethod = 0 // nothing is wanted, or nothing chosen yet
	AuthPassword AuthMethod = 1 // that a host sends
	AuthQuorum   AuthMethod = 2 // iKeys at the device, M of N; no host sees what is on them
)

// String returns the method as shown to people and as they write it.
func (m AuthMethod) String() string {
	return [...]string{"none", "password", "quorum", "unknown"}[min(m, 3)]
}

// ParseAuthMethod returns the method of a name, password or quorum. The error has
// StatusArgumentsBad.
func ParseAuthMethod(s string) (AuthMethod, error) {
	for _, m := range []AuthMethod{AuthPassword, AuthQuorum} {
		if m.String() == s {
			return m, nil
		}
	}
	return AuthNone, StatusArgumentsBad.Withf("no authentication %q: use password or quorum", s)
}

// InfoResponse describes the device. It holds no secret and needs no login.
type InfoResponse struct {
	Model          string         `cbor:"1,keyasint" json:"model"`
	Serial         string         `cbor:"2,keyasint" json:"serial"`
	Firmware       string         `cbor:"3,keyasint" json:"firmware"`
	Label          string         `cbor:"4,keyasint" json:"label"` // empty until initialised
	State          HSMState       `cbor:"5,keyasint" json:"state"`
	Partition      PartitionState `cbor:"6,keyasint" json:"partition"`
	PartitionLabel string         `cbor:"7,keyasint" json:"partition_label"`
	Objects        uint           `cbor:"8,keyasint" json:"objects"`                    // token objects on the partition
	StorageTotal   uint64         `cbor:"9,keyasint" json:"storage_total"`              // bytes for records
	StorageFree    uint64         `cbor:"10,keyasint" json:"storage_free"`              // bytes
	Sessions       uint           `cbor:"11,keyasint" json:"sessions"`                  // open now
	Halt           Halt           `cbor:"12,keyasint,omitempty" json:"halt,omitempty"`  // why few commands work
	PartitionTotal uint64         `cbor:"13,keyasint,omitempty" json:"partition_total"` // bytes for token objects; 0: as many as there are for records
	PartitionUsed  uint64         `cbor:"14,keyasint,omitempty" json:"partition_used"`  // bytes that they take
	Method         AuthMethod     `cbor:"15,keyasint,omitempty" json:"authentication"`  // of the roles; chosen with the initialisation
}

// Echo is both request and response of CodeEcho: up to MaxMessage bytes.
type Echo struct {
	Data []byte `cbor:"1,keyasint"`
}

// MechanismInfo describes one mechanism.
type MechanismInfo struct {
	Type    MechanismType `cbor:"1,keyasint" json:"type"`
	MinBits uint          `cbor:"2,keyasint" json:"min_bits"` // of the key; 0 where none is used
	MaxBits uint          `cbor:"3,keyasint" json:"max_bits"`
	Uses    Use           `cbor:"4,keyasint" json:"uses"`
}

// MechanismsResponse lists what the device can do, ordered by type.
type MechanismsResponse struct {
	Mechanisms []MechanismInfo `cbor:"1,keyasint"`
}

// HSMInitRequest initialises the HSM. From the factory or zeroized state it
// needs no login (hard initialisation); an initialised HSM wants the HSM SO
// logged in, keeps the SO's password and takes the new label (soft
// initialisation). Either way the partition and every object are destroyed.
// With quorum authentication the HSM SO's keyset and that of the domain are made
// at the device, and the request has neither password nor domain.
type HSMInitRequest struct {
	Label    string `cbor:"1,keyasint"`           // 1 to 32 bytes of UTF-8
	Password []byte `cbor:"2,keyasint,omitempty"` // HSM SO; hard initialisation only
	Domain   []byte `cbor:"3,keyasint,omitempty"` // cloning domain, 1 to 128 bytes

	// Policies is a template: policies that are set together with the
	// initialisation. The others keep their value.
	Policies []PolicySetting `cbor:"4,keyasint,omitempty"`

	Method AuthMethod `cbor:"5,keyasint,omitempty"` // hard initialisation only; absent: password
}

// PartitionInitRequest initialises the partition; its objects are destroyed. Its
// roles authenticate as those of the HSM do: with quorum authentication the
// request has neither password nor domain.
type PartitionInitRequest struct {
	Label    string `cbor:"1,keyasint"`           // 1 to 32 bytes of UTF-8
	Password []byte `cbor:"2,keyasint,omitempty"` // Partition SO
	Domain   []byte `cbor:"3,keyasint,omitempty"`

	Policies []PolicySetting `cbor:"4,keyasint,omitempty"` // a template, as for the HSM
}

// PolicySetting is a policy and its value.
type PolicySetting struct {
	ID    uint8  `cbor:"1,keyasint" json:"id"`
	Value uint16 `cbor:"2,keyasint" json:"value"` // 0 and 1 are off and on
}

// PolicyInfo is a capability with its policy as it stands.
type PolicyInfo struct {
	ID          uint8  `cbor:"1,keyasint" json:"id"`
	Name        string `cbor:"2,keyasint" json:"name"`
	Capability  uint16 `cbor:"3,keyasint" json:"capability"`
	Value       uint16 `cbor:"4,keyasint" json:"value"`       // in force; that of the capability if there is no policy
	Changeable  bool   `cbor:"5,keyasint" json:"changeable"`  // there is a policy
	Destructive uint8  `cbor:"6,keyasint" json:"destructive"` // bit 0: turning off destroys; bit 1: turning on does
}

// PoliciesResponse lists capabilities and policies in ascending order.
type PoliciesResponse struct {
	Policies []PolicyInfo `cbor:"1,keyasint"`
}

// PolicyChangeRequest changes policies, all or none. A change that destroys what
// is stored has to be asked for as such, and only such a change.
type PolicyChangeRequest struct {
	Settings    []PolicySetting `cbor:"1,keyasint"`
	Destructive bool            `cbor:"2,keyasint,omitempty"`
}

// SessionOpenRequest opens a session with a slot.
type SessionOpenRequest struct {
	Slot     Slot `cbor:"1,keyasint"`
	ReadOnly bool `cbor:"2,keyasint,omitempty"`
}

// SessionOpenResponse carries the handle that goes into the session field of
// later frames. Handles are never 0 and are not reused while the device is on.
type SessionOpenResponse struct {
	Session uint32 `cbor:"1,keyasint"`
}

// SessionInfoResponse tells the state of the frame's session.
type SessionInfoResponse struct {
	Slot     Slot `cbor:"1,keyasint" json:"slot"`
	ReadOnly bool `cbor:"2,keyasint" json:"read_only"`
	Role     Role `cbor:"3,keyasint" json:"role"` // logged in to the session's slot
}

// GenerateKeyRequest makes a secret key.
type GenerateKeyRequest struct {
	Mechanism Mechanism `cbor:"1,keyasint"`
	Template  Template  `cbor:"2,keyasint"`
}

// ObjectResponse carries the handle of a new object.
type ObjectResponse struct {
	Object Handle `cbor:"1,keyasint"`
}

// GenerateKeyPairRequest makes a key pair.
type GenerateKeyPairRequest struct {
	Mechanism Mechanism `cbor:"1,keyasint"`
	Public    Template  `cbor:"2,keyasint"`
	Private   Template  `cbor:"3,keyasint"`
}

// KeyPairResponse carries the handles of a new pair.
type KeyPairResponse struct {
	Public  Handle `cbor:"1,keyasint" json:"public"`
	Private Handle `cbor:"2,keyasint" json:"private"`
}

// CreateObjectRequest makes an object of what it says. The template of a private
// or secret key holds the key itself.
type CreateObjectRequest struct {
	Template Template `cbor:"1,keyasint"`
}

// CopyObjectRequest makes a copy of an object, with some attributes changed.
type CopyObjectRequest struct {
	Object   Handle   `cbor:"1,keyasint"`
	Template Template `cbor:"2,keyasint"` // may be empty
}

// FindObjectsRequest searches the objects that the session may see, in the
// order of their handles.
type FindObjectsRequest struct {
	Template Template `cbor:"1,keyasint"`           // every attribute must match; empty matches all
	After    Handle   `cbor:"2,keyasint,omitempty"` // only handles above this one
	Max      uint     `cbor:"3,keyasint,omitempty"` // at most this many; 0 and above 1,000 mean 1,000
}

// FindObjectsResponse lists handles in ascending order.
type FindObjectsResponse struct {
	Objects []Handle `cbor:"1,keyasint"`
	More    bool     `cbor:"2,keyasint"` // ask again with After set to the last handle
}

// GetAttributesRequest reads attributes of an object.
type GetAttributesRequest struct {
	Object Handle          `cbor:"1,keyasint"`
	Types  []AttributeType `cbor:"2,keyasint"` // empty: all that may be read
}

// GetAttributesResponse carries the values asked for. A sensitive or unknown
// attribute asked for by name fails the whole command.
type GetAttributesResponse struct {
	Attributes Template `cbor:"1,keyasint"`
}

// SetAttributesRequest changes attributes of a modifiable object.
type SetAttributesRequest struct {
	Object     Handle   `cbor:"1,keyasint"`
	Attributes Template `cbor:"2,keyasint"`
}

// DestroyObjectRequest destroys an object.
type DestroyObjectRequest struct {
	Object Handle `cbor:"1,keyasint"`
}

// ObjectSizeRequest asks how large an object is.
type ObjectSizeRequest struct {
	Object Handle `cbor:"1,keyasint"`
}

// ObjectSizeResponse tells it.
type ObjectSizeResponse struct {
	Bytes uint64 `cbor:"1,keyasint" json:"bytes"` // in storage, without what the storage adds
}

// SignRequest makes a signature or a MAC.
type SignRequest struct {
	Mechanism Mechanism `cbor:"1,keyasint"`
	Key       Handle    `cbor:"2,keyasint"`
	Data      []byte    `cbor:"3,keyasint"`
}

// SignResponse carries a signature. ECDSA signatures are r || s, each as long
// as the group order (PKCS#11 3.1, section 6.3.1).
type SignResponse struct {
	Signature []byte `cbor:"1,keyasint"`
}

// VerifyRequest checks a signature or a MAC; a wrong one answers
// StatusSignatureInvalid.
type VerifyRequest struct {
	Mechanism Mechanism `cbor:"1,keyasint"`
	Key       Handle    `cbor:"2,keyasint"`
	Data      []byte    `cbor:"3,keyasint"`
	Signature []byte    `cbor:"4,keyasint"`
}

// CipherRequest encrypts or decrypts.
type CipherRequest struct {
	Mechanism Mechanism `cbor:"1,keyasint"`
	Key       Handle    `cbor:"2,keyasint"`
	Data      []byte    `cbor:"3,keyasint"`
}

// CipherResponse carries the result. IV is set when the device chose it, which
// it does for an AES-GCM encryption without one.
type CipherResponse struct {
	Data []byte `cbor:"1,keyasint"`
	IV   []byte `cbor:"2,keyasint,omitempty"`
}

// DigestRequest hashes data.
type DigestRequest struct {
	Mechanism Mechanism `cbor:"1,keyasint"`
	Data      []byte    `cbor:"2,keyasint"`
}

// DigestResponse carries a hash.
type DigestResponse struct {
	Digest []byte `cbor:"1,keyasint"`
}

// RandomRequest asks for random bytes.
type RandomRequest struct {
	Length uint `cbor:"1,keyasint"` // 1 to 65,536 bytes
}

// RandomResponse carries random bytes.
type RandomResponse struct {
	Data []byte `cbor:"1,keyasint"`
}

// AuditRotation says how often the host begins a new log file.
type AuditRotation uint8

// Rotations.
const (
	RotateNever   AuditRotation = 0
	RotateHourly  AuditRotation = 1
	RotateDaily   AuditRotation = 2
	RotateWeekly  AuditRotation = 3
	RotateMonthly AuditRotation = 4
)

// AuditConfig is what the Auditor has set. Mask counts in the device; the rest
// is kept there for the host.
type AuditConfig struct {
	Mask     AuditMask     `cbor:"1,keyasint" json:"mask"`
	Rotation AuditRotation `cbor:"2,keyasint" json:"rotation"`
	Size     uint          `cbor:"3,keyasint" json:"size"` // KiB of a log file; 0 = no bound
}

// AuditStatusResponse tells about the log in the device.
type AuditStatusResponse struct {
	Initialised bool      `cbor:"1,keyasint" json:"initialised"` // there is an Auditor
	Mask        AuditMask `cbor:"2,keyasint" json:"mask"`
	First       uint64    `cbor:"3,keyasint" json:"first"` // number of the oldest record that the host has not acknowledged; 0 = none
	Head        AuditHead `cbor:"4,keyasint" json:"head"`
	Used        uint      `cbor:"5,keyasint" json:"used"`     // bytes
	Capacity    uint      `cbor:"6,keyasint" json:"capacity"` // bytes
	Full        bool      `cbor:"7,keyasint" json:"full"`     // what would be recorded is refused
	Lost        uint64    `cbor:"8,keyasint" json:"lost"`     // events that had no room since the last record
}

// AuditReadRequest asks for records that the host has not acknowledged.
type AuditReadRequest struct {
	After uint64 `cbor:"1,keyasint,omitempty"` // only records with numbers above
	Max   uint   `cbor:"2,keyasint,omitempty"` // at most this many; 0 and above 1,000 mean 1,000
}

// AuditReadResponse carries records in ascending order.
type AuditReadResponse struct {
	Records []AuditRecord `cbor:"1,keyasint"`
	More    bool          `cbor:"2,keyasint"`
}

// AuditAcknowledgeRequest says up to which record the host has the log safe.
type AuditAcknowledgeRequest struct {
	Through uint64 `cbor:"1,keyasint"`
}

// AuditMessageRequest has a text recorded.
type AuditMessageRequest struct {
	Message string `cbor:"1,keyasint"` // 1 to 1,024 bytes of UTF-8
}

// AuditDomainRequest sets the domain under which audit secrets travel. That of an
// Auditor with iKeys is on one, and the request is empty.
type AuditDomainRequest struct {
	Domain []byte `cbor:"1,keyasint,omitempty"` // 1 to 128 bytes
}

// AuditSecret is the audit secret of an HSM, sealed under a domain.
type AuditSecret struct {
	Serial string `cbor:"1,keyasint" json:"serial"`
	Sealed []byte `cbor:"2,keyasint" json:"sealed"`
}

// AuditVerifyRequest asks to check a part of a log.
type AuditVerifyRequest struct {
	Serial  string        `cbor:"1,keyasint"`           // of the HSM that wrote it
	After   *AuditHead    `cbor:"2,keyasint,omitempty"` // the record before the first one, if that is not the first of all; its code may be empty
	Records []AuditRecord `cbor:"3,keyasint"`
	Head    *AuditHead    `cbor:"4,keyasint,omitempty"` // the end of the log, if records after the last one would be missing
}

// AuditVerifyResponse tells what is wrong with a log.
type AuditVerifyResponse struct {
	Findings []AuditFinding `cbor:"1,keyasint"` // empty: nothing
	Checked  uint64         `cbor:"2,keyasint"` // records
}

// ErrorResponse is the payload of every response whose status is not StatusOK.
type ErrorResponse struct {
	Cause string `cbor:"1,keyasint,omitempty"` // what was wrong
	Hint  string `cbor:"2,keyasint,omitempty"` // what to do about it
}

// HelloRequest opens the link: see docs/protocol.md.
type HelloRequest struct {
	MinVersion uint8  `cbor:"1,keyasint"`
	MaxVersion uint8  `cbor:"2,keyasint"`
	Client     string `cbor:"3,keyasint,omitempty"` // name of the host software, for the log
}

// HelloResponse tells what the device can do.
type HelloResponse struct {
	Version     uint8  `cbor:"1,keyasint" json:"version"`       // chosen protocol version
	MaxMessage  uint32 `cbor:"2,keyasint" json:"max_message"`   // bytes of payload in a message
	MaxTransfer uint32 `cbor:"3,keyasint" json:"max_transfer"`  // bytes in a bulk transfer, either way
	MaxInFlight uint32 `cbor:"4,keyasint" json:"max_in_flight"` // requests without an answer yet
	Commands    []Code `cbor:"5,keyasint" json:"commands"`      // ascending
	Model       string `cbor:"6,keyasint" json:"model"`
	Serial      string `cbor:"7,keyasint" json:"serial"`
	Firmware    string `cbor:"8,keyasint" json:"firmware"`
}

// EventCode is the number of an event, sent in the code field of an event frame.
type EventCode uint32

const (
	EventStateChanged  EventCode = 1 // the HSM or its partition was initialised, created, deleted or reset
	EventZeroized      EventCode = 2 // keys were destroyed
	EventRoleLocked    EventCode = 3 // a role ran out of attempts
	EventStorageLow    EventCode = 4 // less than a tenth of the storage is free
	EventEventsDropped EventCode = 5 // the host read too slowly; older events were dropped
	EventTampered      EventCode = 6 // a sensor found something
	EventAttend        EventCode = 7 // a command waits for people at the screen of the device
)

// String returns the event's name, or its number if it has none.
func (e EventCode) String() string {
	if n := int(e) - 1; n >= 0 && n < len(eventNames) {
		return eventNames[n]
	}
	return fmt.Sprintf("event %d", uint32(e))
}

var eventNames = [...]string{"state-changed", "zeroized", "role-locked", "storage-low", "events-dropped", "tampered", "attend"}

// Event is an unsolicited message of the device.
type Event struct {
	Code EventCode `cbor:"-" json:"code"`
	Role Role      `cbor:"1,keyasint,omitempty" json:"role,omitempty"` // whom it concerns
	Text string    `cbor:"2,keyasint,omitempty" json:"text,omitempty"` // for people
}
