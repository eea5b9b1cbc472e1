package hsm

import (
	"fmt"
	"sync"
	"sync/atomic"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/audit"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/vault"
)

// Bounds of the audit log.
const (
	auditShare   = 8       // that part of the storage holds records that the host has not taken yet
	auditReserve = 4 << 10 // bytes of these, for logins and what empties the log
	auditGroup   = 64      // uses of keys that are written together
	auditRecord  = 192     // bytes that a record without a message never exceeds
)

// Names of records. The log itself is plain: it holds no secret, and outlives
// zeroization.
const (
	recordAuditConfig = "audit-config"
	recordAuditSecret = "audit-secret"
	auditPrefix       = "audit/"
	recordAuditHead   = "audit-head"
)

func recordAuditBlock(first uint64) string { return fmt.Sprintf("%s%016x", auditPrefix, first) }

// auditBlockRecord is some of the log, as it is stored.
type auditBlockRecord struct {
	Records []command.AuditRecord `cbor:"1,keyasint"`
}

// auditSecretRecord holds what the codes are made with.
type auditSecretRecord struct {
	Secret []byte `cbor:"1,keyasint"`
}

// auditLog is the audit log. Its lock is taken after the HSM's mu, if both are.
//
// Records of changes are written in the transaction of the change. Uses of keys
// are gathered, so that signing does not wait for the flash; they are written
// with whatever is written next.
type auditLog struct {
	mask atomic.Uint32 // command.AuditMask
	full atomic.Bool
	used sync.Map // command.Handle: keys used since power-on

	mu      sync.Mutex
	chain   *audit.Chain // nil until there is an Auditor
	secret  []byte
	pending []command.AuditRecord // not written yet
	blocks  []auditBlock          // written, ascending
	size    int                   // bytes of the blocks
	most    int                   // that size may reach
	lost    uint64                // events without room since the last record
}

// auditBlock is a stored part of the log.
type auditBlock struct {
	first, last uint64
	size        int
}

// wants reports whether an event is recorded.
func (l *auditLog) wants(class command.AuditClass, ok bool) bool {
	return command.AuditMask(l.mask.Load()).Wants(class, ok)
}

// load reads the log and goes on with it.
func (l *auditLog) load(v *vault.Vault, serial string) error {
	l.most = int(v.Usage().Total) / auditShare
	var secret auditSecretRecord
	known, err := read(v, recordAuditSecret, &secret)
	if err != nil || !known {
		return err
	}
	l.secret = secret.Secret
	head := audit.NewChain(l.secret, serial).Head()
	if stored, ok := v.Plain(recordAuditHead); ok {
		if err := command.Unmarshal(stored, &head); err != nil {
			return fmt.Errorf("record %s: %w", recordAuditHead, err)
		}
	}
	for name := range v.PlainNames(auditPrefix) {
		b, records, err := loadBlock(v, name)
		if err != nil {
			return err
		}
		l.blocks = append(l.blocks, b)
		l.size += b.size
		last := records[len(records)-1]
		head = command.AuditHead{Number: last.Number, Code: last.Code}
	}
	l.chain = audit.Resume(l.secret, head)
	l.measure()
	return nil
}

func loadBlock(v *vault.Vault, name string) (auditBlock, []command.AuditRecord, error) {
	value, _ := v.Plain(name)
	var block auditBlockRecord
	if err := command.Unmarshal(value, &block); err != nil {
		return auditBlock{}, nil, fmt.Errorf("record %s: %w", name, err)
	}
	if len(block.Records) == 0 {
		return auditBlock{}, nil, command.StatusArgumentsBad.With("an empty part of the audit log", "")
	}
	first, last := block.Records[0].Number, block.Records[len(block.Records)-1].Number
	return auditBlock{first, last, len(value)}, block.Records, nil
}

// measure tells whether the log is full.
func (l *auditLog) measure() { l.full.Store(l.size >= l.most-auditReserve) }

// add makes a record of an event. The lock is held.
func (l *auditLog) add(e command.AuditEvent) error {
	if l.size+(len(l.pending)+1)*auditRecord+len(e.Message) > l.most {
		l.lost++
		return nil
	}
	e.Lost = l.lost
	r, err := l.chain.Add(e)
	if err != nil {
		return err
	}
	l.lost = 0
	l.pending = append(l.pending, r)
	return nil
}

// begin starts a log for the first Auditor.
func (l *auditLog) begin(secret []byte, serial string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.secret, l.chain = secret, audit.NewChain(secret, serial)
}

// forget ends the log, which a factory reset destroys.
func (l *auditLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.secret)
	l.secret, l.chain, l.pending, l.blocks, l.size, l.lost = nil, nil, nil, nil, 0, 0
	l.mask.Store(0)
	l.measure()
}

// write adds what waits, and the event of the change if it has one, to the
// change, makes it with commit, and keeps the log in step with what is stored.
func (l *auditLog) write(c *vault.Change, e *command.AuditEvent, commit func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chain == nil {
		return commit()
	}
	head, waiting, lost := l.chain.Head(), len(l.pending), l.lost
	undo := func() {
		l.chain, l.pending, l.lost = audit.Resume(l.secret, head), l.pending[:waiting], lost
	}
	if e != nil {
		if err := l.add(*e); err != nil {
			return err
		}
	}
	block, err := l.gather(c)
	if err == nil {
		err = commit()
	}
	if err != nil {
		undo()
		return err
	}
	if block.size > 0 && l.chain != nil {
		l.blocks, l.pending = append(l.blocks, block), nil
		l.size += block.size
		l.measure()
	}
	return nil
}

// gather puts the pending records into a change.
func (l *auditLog) gather(c *vault.Change) (auditBlock, error) {
	if len(l.pending) == 0 {
		return auditBlock{}, nil
	}
	value, err := command.Marshal(&auditBlockRecord{l.pending})
	if err != nil {
		return auditBlock{}, fmt.Errorf("audit log: %w", err)
	}
	first, last := l.pending[0].Number, l.pending[len(l.pending)-1].Number
	c.PutPlain(recordAuditBlock(first), value)
	return auditBlock{first, last, len(value)}, nil
}

// newAuditSecret makes a secret and the records of a log that begins with it.
func (u *update) newAuditSecret() error {
	if u.hsm.audit.chain != nil {
		return nil
	}
	secret, err := mech.Random(vault.KeySize, u.hsm.entropy)
	if err != nil {
		return err
	}
	u.after(func() { u.hsm.audit.begin(secret, u.hsm.serial) })
	return u.put(recordAuditSecret, auditSecretRecord{secret})
}

// keepAudit carries the log over a destroying change.
func (u *update) keepAudit() error { return u.keep(recordAuditSecret, recordAuditConfig) }

// dropAudit destroys the log; the change that does so is in none.
func (u *update) dropAudit() {
	u.unlogged = true
	u.records.DeletePlainPrefix(auditPrefix)
	u.records.DeletePlain(recordAuditHead)
	u.after(u.hsm.audit.forget)
}
