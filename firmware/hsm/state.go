package hsm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/hsm/vault"
)

// Names of records. The serial number is the only one outside the vault.
const (
	recordSerial    = "serial"
	recordHSM       = "hsm"
	recordPartition = "partition"
	recordLast      = "last-handle"
	objectPrefix    = "object/"
)

func recordRole(r command.Role) string     { return "role/" + r.String() }
func recordAttempts(r command.Role) string { return "attempts/" + r.String() }

func recordObject(handle command.Handle) string { return fmt.Sprintf("%s%08x", objectPrefix, handle) }

func handleOf(record string) (command.Handle, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(record, objectPrefix), 16, 32)
	return command.Handle(n), err
}

// state is what is known of the HSM but for its objects. It never changes: a
// change publishes a new one.
type state struct {
	hsm       hsmRecord
	partition partitionRecord
	roles     [command.RoleCU + 1]roleState // by role
	tamper    tamperRecord
	transport transportRecord
	alive     int64        // when the device last had power for sure, while that matters; 0: it does not
	converted time.Time    // when the conversion of the data ends; zero: there is none; not durable
	restart   bool         // wanted after a tamper event was cleared; not durable
	policies  policies     // follow from the records
	halt      command.Halt // why few commands work; follows from the rest
}

type roleState struct {
	credential *auth.Credential // nil until the role is initialised
	changeDue  bool             // another role set the password
	challenge  *auth.Credential // of a challenge secret; nil: none
	answerDue  bool             // another role set the challenge secret
	attempts   uint8            // begun since the last success
	active     []byte           // what activation keeps; nil: not activated
}

// roleRecord is a role that has a password or a keyset.
type roleRecord struct {
	Credential auth.Credential  `cbor:"1,keyasint"`
	ChangeDue  bool             `cbor:"2,keyasint,omitempty"`
	Challenge  *auth.Credential `cbor:"3,keyasint,omitempty"`
	AnswerDue  bool             `cbor:"4,keyasint,omitempty"`
}

// hsmRecord is the durable state of the HSM.
type hsmRecord struct {
	State  command.HSMState `cbor:"1,keyasint"`
	Label  string           `cbor:"2,keyasint,omitempty"`
	Domain []byte           `cbor:"3,keyasint,omitempty"` // sealed under the HSM SO's key

	Policies []policy.Setting   `cbor:"4,keyasint,omitempty"`
	Method   command.AuthMethod `cbor:"5,keyasint,omitempty"` // of an initialised HSM; 0 means passwords
}

// shownMethod returns how roles authenticate, AuthNone while it is not chosen.
func (r *hsmRecord) shownMethod() command.AuthMethod {
	switch {
	case r.State != command.HSMInitialised:
		return command.AuthNone
	case r.Method == command.AuthNone:
		return command.AuthPassword
	}
	return r.Method
}

// partitionRecord is the durable state of the partition; there is no record
// while it is absent.
type partitionRecord struct {
	State  command.PartitionState `cbor:"1,keyasint"`
	Label  string                 `cbor:"2,keyasint,omitempty"`
	Domain []byte                 `cbor:"3,keyasint,omitempty"` // sealed under the partition key

	Policies []policy.Setting `cbor:"4,keyasint,omitempty"`
}

// attemptsRecord counts the attempts of a role since its last success. It is
// written before a password is looked at.
type attemptsRecord struct {
	Count uint8 `cbor:"1,keyasint"`
}

// lastRecord holds the highest handle ever given to a token object of the
// partition.
type lastRecord struct {
	Handle command.Handle `cbor:"1,keyasint"`
}

// objectRecord holds an object, sealed once more under the partition key if it
// is private.
type objectRecord struct {
	Private bool   `cbor:"1,keyasint"`
	Body    []byte `cbor:"2,keyasint"`
	Pad     []byte `cbor:"3,keyasint,omitempty"` // from data schema 2 on: zeros up to a multiple of objectUnit
}

// objectUnit is what the size of an object is a multiple of from data schema 2 on, so
// that it tells less about what is in it.
const objectUnit = 256

// padded returns the record as a data schema has it.
func (r objectRecord) padded(schema uint32) objectRecord {
	if r.Pad = nil; schema >= 2 {
		r.Pad = make([]byte, (objectUnit-len(r.Body)%objectUnit)%objectUnit)
	}
	return r
}

// size is what the record takes of the storage, without its name.
func (r *objectRecord) size() int { return len(r.Body) + len(r.Pad) }

// loadState reads all records but the objects, and writes those of an HSM that
// has none.
func (h *HSM) loadState(interrupted, ships bool) error {
	s := new(state)
	known, err := h.readState(s)
	if err != nil {
		return err
	}
	if !known {
		if err := h.firstState(s, interrupted, ships); err != nil {
			return err
		}
	}
	s.derive(&h.firmware)
	h.state.Store(s)
	return nil
}

// readState reads all records but the objects, and reports whether there are
// any.
func (h *HSM) readState(s *state) (known bool, err error) {
	if known, err = read(h.vault, recordHSM, &s.hsm); err != nil {
		return false, err
	}
	var last lastRecord
	for name, record := range map[string]any{
		recordPartition: &s.partition, recordTamper: &s.tamper, recordTransport: &s.transport, recordLast: &last,
	} {
		if _, err := read(h.vault, name, record); err != nil {
			return false, err
		}
	}
	h.lastToken = last.Handle
	for _, r := range command.Roles {
		if err := s.roles[r].load(h.vault, r); err != nil {
			return false, err
		}
	}
	return known, nil
}

// firstState writes the state of an HSM that has none: it is new, or the power
// was cut while its keys were destroyed.
func (h *HSM) firstState(s *state, interrupted, ships bool) (err error) {
	c := vault.Change{Urgent: interrupted}
	switch {
	case interrupted:
		s.hsm.State = command.HSMZeroized
	case ships:
		if h.shipped.Random, err = s.transport.begin(h.entropy); err != nil {
			return err
		}
		if err := put(&c, recordTransport, s.transport); err != nil {
			return err
		}
	}
	if err := put(&c, recordHSM, s.hsm); err != nil {
		return err
	}
	if err := h.vault.Commit(&c); err != nil || !s.transport.active() {
		return err
	}
	h.shipped.Verification, err = h.verification(&s.transport, h.shipped.Random)
	return err
}

func (r *roleState) load(v *vault.Vault, role command.Role) error {
	var record roleRecord
	known, err := read(v, recordRole(role), &record)
	if err != nil {
		return err
	}
	if known {
		r.credential, r.changeDue = &record.Credential, record.ChangeDue
		r.challenge, r.answerDue = record.Challenge, record.AnswerDue
	}
	var attempts attemptsRecord
	if _, err := read(v, recordAttempts(role), &attempts); err != nil {
		return err
	}
	r.attempts = attempts.Count
	return nil
}

// loadPublic reads the public objects and counts the private ones.
func (h *HSM) loadPublic() error {
	var list []*object.Object
	count := 0
	for name := range h.vault.Names(objectPrefix) {
		o, err := h.loadObject(name, nil)
		if err != nil {
			return err
		}
		if count++; o != nil {
			list = append(list, o)
		}
	}
	h.publish(object.NewSet(list))
	h.stored.Store(int64(count))
	h.taken.Store(h.storage.used)
	return nil
}

// loadPrivate returns the stored objects with the private ones among them.
func (h *HSM) loadPrivate(partition *vault.Sealer) (object.Set, error) {
	list := slices.Collect(h.tokens.Load().All())
	for name := range h.vault.Names(objectPrefix) {
		o, err := h.loadObject(name, partition)
		if err != nil {
			return object.Set{}, err
		}
		if o != nil && o.Private {
			list = append(list, o)
		}
	}
	return object.NewSet(list), nil
}

// loadObject reads one object; without the partition's sealer a private one
// gives nil.
func (h *HSM) loadObject(name string, partition *vault.Sealer) (*object.Object, error) {
	var r objectRecord
	if _, err := read(h.vault, name, &r); err != nil {
		return nil, err
	}
	handle, err := handleOf(name)
	if err != nil {
		return nil, fmt.Errorf("record %q: %w", name, err)
	}
	h.storage.set(handle, int64(r.size())+objectOverhead)
	body := r.Body
	if r.Private {
		if partition == nil {
			return nil, nil
		}
		if body, err = partition.Open(name, r.Body); err != nil {
			return nil, fmt.Errorf("record %s: %w", name, err)
		}
	}
	defer clear(body)
	o, err := object.Unmarshal(handle, body)
	if err != nil {
		return nil, err
	}
	if err := h.countUses(o); err != nil {
		return nil, err
	}
	h.keepCounter(o)
	return o, nil
}

// read decodes a record into v and reports whether it exists.
func read(from *vault.Vault, name string, v any) (bool, error) {
	data, ok, err := from.Get(name)
	if err != nil || !ok {
		return false, err
	}
	defer clear(data)
	if err := command.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("record %s: %w", name, err)
	}
	return true, nil
}

// put adds a record to a change.
func put(c *vault.Change, name string, v any) error {
	data, err := command.Marshal(v)
	if err != nil {
		return fmt.Errorf("record %s: %w", name, err)
	}
	c.Put(name, data)
	return nil
}
