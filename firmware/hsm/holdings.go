package hsm

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/audit"
)

// Holdings is what an HSM holds, for who compares it before and after an update
// without being told any of it.
type Holdings struct {
	Records  map[string][sha256.Size]byte // digest of what is in each record, by name; see HSM.Holdings
	Firmware string                       // version that settled last
	Schema   uint32                       // data schema that objects have, as the record of the firmware says
	Others   int                          // objects that have another one
	Log      []command.AuditRecord        // of the audit log, what the host has not acknowledged
	Findings []command.AuditFinding       // on that log; none: it is whole
}

// Holdings looks at every record. An object counts for what is in it, whatever data
// schema it is in. Left out of Records are those that no update leaves as they are:
// which firmware ran last, the audit log, and when there was power last. The error is
// that of a record that cannot be read.
func (h *HSM) Holdings() (Holdings, error) {
	h.password.Lock()
	defer h.password.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	l := Holdings{Records: make(map[string][sha256.Size]byte), Firmware: h.settled.Version, Schema: h.settled.Schema}
	for name := range h.vault.Names("") {
		if name == recordAlive {
			continue
		}
		digest, err := l.look(h, name)
		if err != nil {
			return l, err
		}
		l.Records[name] = digest
	}
	for name := range h.vault.PlainNames("") {
		if name != recordFirmware && name != recordAuditHead && !strings.HasPrefix(name, auditPrefix) {
			value, _ := h.vault.Plain(name)
			l.Records["plain/"+name] = sha256.Sum256(value)
		}
	}
	for name, sealed := range h.vault.Held() {
		l.Records["suspended/"+name] = sha256.Sum256(sealed)
	}
	var err error
	l.Log, l.Findings, err = h.audit.examine(h)
	return l, err
}

// look digests one record of the vault.
func (l *Holdings) look(h *HSM, name string) (digest [sha256.Size]byte, err error) {
	value, _, err := h.vault.Get(name)
	if err != nil {
		return digest, err
	}
	defer clear(value)
	if !strings.HasPrefix(name, objectPrefix) {
		return sha256.Sum256(value), nil
	}
	var r objectRecord
	if err := command.Unmarshal(value, &r); err != nil {
		return digest, fmt.Errorf("record %s: %w", name, err)
	}
	defer clear(r.Body)
	if len(r.Pad) != len(r.padded(l.Schema).Pad) {
		l.Others++
	}
	content, err := command.Marshal(r.padded(FirstDataSchema))
	defer clear(content)
	return sha256.Sum256(content), err
}

// examine reads the log, up to what waits to be written, and verifies it. The lock of the HSM is held.
func (l *auditLog) examine(h *HSM) ([]command.AuditRecord, []command.AuditFinding, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chain == nil {
		return nil, nil, nil
	}
	var log []command.AuditRecord
	for name := range h.vault.PlainNames(auditPrefix) {
		_, records, err := loadBlock(h.vault, name)
		if err != nil {
			return nil, nil, err
		}
		log = slices.Concat(log, records)
	}
	log = slices.Concat(log, l.pending)
	v := audit.NewVerifier(l.secret, h.serial)
	if len(log) > 0 && log[0].Number > 1 { // the host has what was before
		v.Begin(command.AuditHead{Number: log[0].Number - 1})
	}
	for i := range log {
		if err := v.Add(&log[i]); err != nil {
			return nil, nil, err
		}
	}
	head := l.chain.Head()
	findings, _ := v.End(&head)
	return log, findings, nil
}
