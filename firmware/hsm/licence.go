package hsm

import (
	"cmp"
	"fmt"
	"slices"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

// recordLicences lists, outside the vault, what capability updates have brought: a
// licence belongs to the unit, and outlives whatever the HSM holds.
const recordLicences = "licences"

// maxLicences is how many licences an HSM takes, and maxCapabilityFile the bytes of
// the file of one.
const (
	maxLicences       = 16
	maxCapabilityFile = 64 << 10
)

// Licence is what a capability update brings.
type Licence struct {
	ID       uint32  `cbor:"1,keyasint"`
	Name     string  `cbor:"2,keyasint"`
	Serial   string  `cbor:"3,keyasint,omitempty"` // of the one HSM that it is for; empty means any
	Destroys bool    `cbor:"4,keyasint,omitempty"` // the partition
	Grants   []Grant `cbor:"5,keyasint,omitempty"`
	Storage  int64   `cbor:"6,keyasint,omitempty"` // room for token objects in bytes; 0 means as before
}

// Grant raises a capability.
type Grant struct {
	Partition  bool      `cbor:"1,keyasint,omitempty"` // of the partition, otherwise of the HSM
	ID         policy.ID `cbor:"2,keyasint"`
	Capability uint16    `cbor:"3,keyasint"`
}

type licencesRecord struct {
	List []Licence `cbor:"1,keyasint"`
}

// loadLicences gives the firmware what licences add to it, when the plain records
// that a power cut has kept waiting are in their places. A capability that the
// firmware of today does not know stays unused.
func (h *HSM) loadLicences() error {
	stored, ok := h.vault.Plain(recordLicences)
	if !ok {
		return nil
	}
	var r licencesRecord
	if err := command.Unmarshal(stored, &r); err != nil {
		return fmt.Errorf("record %s: %w", recordLicences, err)
	}
	h.licences = r.List
	h.firmware.HSM, h.firmware.Partition = slices.Clone(h.firmware.HSM), slices.Clone(h.firmware.Partition)
	for _, l := range r.List {
		for _, g := range l.Grants {
			if row := h.firmware.table(g.Partition).Lookup(g.ID); row != nil {
				row.Capability = max(row.Capability, g.Capability)
			}
		}
		h.model.Storage = cmp.Or(l.Storage, h.model.Storage)
	}
	s := *h.state.Load()
	s.derive(&h.firmware)
	h.state.Store(&s)
	return nil
}

func (f *Firmware) table(partition bool) policy.Table {
	if partition {
		return f.Partition
	}
	return f.HSM
}

// updateCapability takes a licence, which counts after the restart that the owner of
// the HSM makes.
func (c *call) updateCapability(r *command.UpdateCapabilityRequest) error {
	defer clear(r.Authcode)
	boot, err := c.bootloader()
	if err != nil {
		return err
	}
	if len(r.File) > maxCapabilityFile {
		return command.StatusArgumentsBad.Withf("a capability update has at most %d bytes", maxCapabilityFile)
	}
	licence, err := boot.Licence(r.File, r.Authcode, c.hsm.updateFacts(r.Client))
	if err != nil {
		return err
	}
	if err := c.hsm.admitLicence(licence); err != nil {
		return err
	}
	if err := c.confirm(Question{Title: "Change what the HSM may do?", Text: licence.describe()}); err != nil {
		return err
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	return c.update(func(u *update) error { return u.addLicence(licence) })
}

func (l *Licence) describe() string {
	text := fmt.Sprintf("Licence %d: %s.", l.ID, l.Name)
	if l.Destroys {
		text += " The partition and all its keys are destroyed."
	}
	return text + " The device restarts."
}

// admitLicence reports why a licence is of no use here.
func (h *HSM) admitLicence(l *Licence) error {
	if l.Serial != "" && l.Serial != h.serial {
		return command.StatusBadSerial.Withf("licence %d is for the HSM with serial number %s", l.ID, l.Serial)
	}
	for _, g := range l.Grants {
		if h.firmware.table(g.Partition).Lookup(g.ID) == nil {
			return command.StatusLicenceUnknown.With(fmt.Sprintf("licence %d is for capability %d, which this firmware does not have", l.ID, g.ID), "update the firmware first")
		}
	}
	return nil
}

// addLicence writes a licence, and destroys the partition if it says so.
func (u *update) addLicence(l *Licence) error {
	h := u.hsm
	switch {
	case slices.ContainsFunc(h.licences, func(have Licence) bool { return have.ID == l.ID }):
		return command.StatusOnceOnly.Withf("the HSM has licence %d already", l.ID)
	case len(h.licences) == maxLicences:
		return command.StatusLicenceCapacity.Withf("an HSM takes %d licences", maxLicences)
	}
	list := append(slices.Clone(h.licences), *l)
	record, err := command.Marshal(licencesRecord{list})
	if err != nil {
		return fmt.Errorf("record %s: %w", recordLicences, err)
	}
	u.records.PutPlain(recordLicences, record)
	u.event(stateChanged(fmt.Sprintf("licence %d is there", l.ID)))
	u.after(func() { h.licences = list })
	if l.Destroys && u.state.partition.State != command.PartitionAbsent {
		return u.erase(&policyDestruction)
	}
	return nil
}

// licenceList lists the licences to anyone.
func (c *call) licenceList() (*command.LicencesResponse, error) {
	c.hsm.mu.Lock()
	defer c.hsm.mu.Unlock()
	answer := &command.LicencesResponse{Licences: []command.LicenceInfo{}}
	for _, l := range c.hsm.licences {
		answer.Licences = append(answer.Licences, command.LicenceInfo{ID: l.ID, Name: l.Name})
	}
	return answer, nil
}
