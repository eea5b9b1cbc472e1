package hsm

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/audit"
	"usbhsm7/firmware/hsm/vault"
)

// Bounds of the audit commands.
const (
	maxAuditRead    = 1000 // records in one answer
	maxAuditMessage = 1024 // bytes of an external event
	maxGivenUp      = 500  // parts of the log that are deleted together
)

// auditConfigRecord is what the Auditor has set.
type auditConfigRecord struct {
	Mask     command.AuditMask     `cbor:"1,keyasint"`
	Rotation command.AuditRotation `cbor:"2,keyasint"`
	Size     uint                  `cbor:"3,keyasint"`
	Domain   []byte                `cbor:"4,keyasint,omitempty"` // sealed under the Auditor's key
}

func recordAuditPeer(serial string) string { return "audit-peer/" + serial }

func (h *HSM) auditConfig() (c auditConfigRecord, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err = read(h.vault, recordAuditConfig, &c)
	return c, err
}

func (c *call) auditConfig() (*command.AuditConfig, error) {
	config, err := c.hsm.auditConfig()
	if err != nil {
		return nil, err
	}
	return &command.AuditConfig{Mask: config.Mask, Rotation: config.Rotation, Size: config.Size}, nil
}

// auditSetConfig chooses what is recorded. How the host cuts its files is kept
// for the host.
func (c *call) auditSetConfig(r *command.AuditConfig) error {
	if err := r.Check(); err != nil {
		return err
	}
	return c.changeAuditConfig(func(config *auditConfigRecord) error {
		if len(config.Domain) == 0 {
			return command.StatusLogNoKCV.With("the Auditor has no domain yet", "set the domain first")
		}
		config.Mask, config.Rotation, config.Size = r.Mask, r.Rotation, r.Size
		return nil
	})
}

// auditSetDomain gives the Auditor the domain under which audit secrets travel.
func (c *call) auditSetDomain(r *command.AuditDomainRequest) error {
	defer clear(r.Domain)
	s := c.hsm.state.Load()
	domain, err := c.newDomain(s.roles[command.RoleAuditor].method(), s.subject(command.RoleAuditor), r.Domain)
	if err != nil {
		return err
	}
	defer clear(domain)
	if len(domain) == 0 || len(domain) > maxDomain {
		return command.StatusArgumentsBad.Withf("a domain has 1 to %d bytes", maxDomain)
	}
	sealed, err := c.login.seal.Seal(recordAuditConfig, domain)
	if err != nil {
		return err
	}
	return c.changeAuditConfig(func(config *auditConfigRecord) error {
		config.Domain = sealed
		return nil
	})
}

func (c *call) changeAuditConfig(change func(*auditConfigRecord) error) error {
	return c.update(func(u *update) error {
		var config auditConfigRecord
		if _, err := read(u.hsm.vault, recordAuditConfig, &config); err != nil {
			return err
		}
		if err := change(&config); err != nil {
			return err
		}
		u.after(func() { u.hsm.audit.mask.Store(uint32(config.Mask)) })
		return u.put(recordAuditConfig, config)
	})
}

func (c *call) auditStatus() (*command.AuditStatusResponse, error) {
	if err := c.hsm.Sync(); err != nil {
		return nil, err
	}
	l := &c.hsm.audit
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &command.AuditStatusResponse{
		Initialised: l.chain != nil, Mask: command.AuditMask(l.mask.Load()),
		Used: uint(l.size), Capacity: uint(l.most), Full: l.full.Load(), Lost: l.lost,
	}
	if l.chain != nil {
		r.Head = l.chain.Head()
	}
	if len(l.blocks) > 0 {
		r.First = l.blocks[0].first
	}
	return r, nil
}

// Sync writes the audit records that wait, and that the device has power if roles
// stay activated without. Whoever owns the HSM calls it now and then, since the HSM
// does nothing by itself.
func (h *HSM) Sync() error {
	if err := h.convertInTime(); err != nil {
		return err
	}
	h.audit.mu.Lock()
	waiting := len(h.audit.pending)
	h.audit.mu.Unlock()
	if waiting == 0 && !h.beats(h.state.Load(), BeatInterval) {
		return nil
	}
	return h.update(func(*update) error { return nil })
}

// auditRead returns records that the host has not taken.
func (c *call) auditRead(r *command.AuditReadRequest) (*command.AuditReadResponse, error) {
	if err := c.hsm.Sync(); err != nil {
		return nil, err
	}
	limit := int(min(r.Max, maxAuditRead))
	if limit == 0 {
		limit = maxAuditRead
	}
	c.hsm.mu.Lock()
	defer c.hsm.mu.Unlock()
	answer := &command.AuditReadResponse{Records: []command.AuditRecord{}}
	for _, b := range c.hsm.audit.blocks {
		if b.last <= r.After {
			continue
		}
		_, records, err := loadBlock(c.hsm.vault, recordAuditBlock(b.first))
		if err != nil {
			return nil, err
		}
		for _, record := range records {
			if record.Number <= r.After {
				continue
			}
			if len(answer.Records) == limit {
				answer.More = true
				return answer, nil
			}
			answer.Records = append(answer.Records, record)
		}
	}
	return answer, nil
}

// auditAcknowledge gives up the records that the host has, as far as they are
// stored in whole parts.
func (c *call) auditAcknowledge(r *command.AuditAcknowledgeRequest) error {
	for more := true; more; {
		err := c.hsm.update(func(u *update) (err error) {
			more, err = u.giveUp(r.Through)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// giveUp deletes parts of the log up to a record, and tells whether there are
// more.
func (u *update) giveUp(through uint64) (more bool, err error) {
	l := &u.hsm.audit
	done := 0
	for done < len(l.blocks) && l.blocks[done].last <= through && done < maxGivenUp {
		u.records.DeletePlain(recordAuditBlock(l.blocks[done].first))
		done++
	}
	if done == 0 {
		return false, nil
	}
	head, err := command.Marshal(l.chain.Head())
	if err != nil {
		return false, err
	}
	u.records.PutPlain(recordAuditHead, head)
	u.after(func() { l.drop(done) })
	return done == maxGivenUp, nil
}

// drop forgets the first n blocks.
func (l *auditLog) drop(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.blocks[:n] {
		l.size -= b.size
	}
	l.blocks = append([]auditBlock(nil), l.blocks[n:]...)
	l.measure()
}

// auditLogMessage has the event of the call carry a message of the host.
func (c *call) auditLogMessage(r *command.AuditMessageRequest) error {
	if len(r.Message) == 0 || len(r.Message) > maxAuditMessage {
		return command.StatusArgumentsBad.Withf("a message has 1 to %d bytes", maxAuditMessage)
	}
	c.message = r.Message
	return nil
}

// domainSealer returns what seals audit secrets that travel; only the Auditor
// can open the domain.
func (c *call) domainSealer() (*vault.Sealer, error) {
	config, err := c.hsm.auditConfig()
	if err != nil {
		return nil, err
	}
	if len(config.Domain) == 0 {
		return nil, command.StatusLogNoKCV.With("the Auditor has no domain yet", "set the domain first")
	}
	domain, err := c.login.seal.Open(recordAuditConfig, config.Domain)
	if err != nil {
		return nil, fmt.Errorf("audit domain: %w", err)
	}
	defer clear(domain)
	key, err := hkdf.Key(sha256.New, domain, nil, "usbhsm7 audit domain", vault.KeySize)
	if err != nil {
		return nil, fmt.Errorf("audit domain: %w", err)
	}
	defer clear(key)
	return vault.NewSealer(key, c.hsm.entropy)
}

func (c *call) auditExportSecret() (*command.AuditSecret, error) {
	seal, err := c.domainSealer()
	if err != nil {
		return nil, err
	}
	secret, err := c.secretOf(c.hsm.serial)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	sealed, err := seal.Seal(c.hsm.serial, secret)
	if err != nil {
		return nil, err
	}
	return &command.AuditSecret{Serial: c.hsm.serial, Sealed: sealed}, nil
}

// auditImportSecret takes the secret of another HSM of the same domain, whose
// logs can then be verified here.
func (c *call) auditImportSecret(r *command.AuditSecret) error {
	seal, err := c.domainSealer()
	if err != nil {
		return err
	}
	secret, err := seal.Open(r.Serial, r.Sealed)
	if err != nil || len(secret) != vault.KeySize || len(r.Serial) > maxLabel {
		return command.StatusLogBadHMAC.With("the secret does not open", "was it exported in the domain of this Auditor?")
	}
	return c.update(func(u *update) error { return u.put(recordAuditPeer(r.Serial), auditSecretRecord{secret}) })
}

// auditVerify checks a part of a log of this HSM or of one whose secret it has.
func (c *call) auditVerify(r *command.AuditVerifyRequest) (*command.AuditVerifyResponse, error) {
	secret, err := c.secretOf(r.Serial)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	v := audit.NewVerifier(secret, r.Serial)
	if r.After != nil {
		v.Begin(*r.After)
	}
	for i := range r.Records {
		if err := v.Add(&r.Records[i]); err != nil {
			return nil, err
		}
	}
	answer := &command.AuditVerifyResponse{}
	answer.Findings, answer.Checked = v.End(r.Head)
	return answer, nil
}

// secretOf returns a copy of the secret of an HSM's log.
func (c *call) secretOf(serial string) ([]byte, error) {
	if serial == c.hsm.serial {
		c.hsm.audit.mu.Lock()
		defer c.hsm.audit.mu.Unlock()
		return bytes.Clone(c.hsm.audit.secret), nil
	}
	c.hsm.mu.Lock()
	defer c.hsm.mu.Unlock()
	var r auditSecretRecord
	known, err := read(c.hsm.vault, recordAuditPeer(serial), &r)
	if err == nil && !known {
		err = command.StatusLogNoKCV.With("the secret of that HSM is not here", "export it there and import it here")
	}
	return r.Secret, err
}
