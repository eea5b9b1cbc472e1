package hsm

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/vault"
)

// swapKind says what a change does to the generation of records.
type swapKind uint8

const (
	swapNone    swapKind = iota
	swapReplace          // destroys it
	swapSuspend          // makes it unreadable until it is resumed
	swapResume           // goes back to it
)

// swap is an exchange of generations, which happens with a change. The key is
// that of the way back.
type swap struct {
	kind swapKind
	key  *vault.Sealer
}

// recordRecovery holds the key of the way back to a suspended generation. It
// follows from the key that the HSM SO's password opens, and is kept so that a
// generation can be suspended while the SO is not there.
const recordRecovery = "recovery"

type recoveryRecord struct {
	Key []byte `cbor:"1,keyasint"`
}

func recoveryKey(so []byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, so, nil, "usbhsm7 recovery", vault.KeySize)
	if err != nil {
		return nil, fmt.Errorf("recovery key: %w", err)
	}
	return key, nil
}

// putRecovery writes the record that follows from the HSM SO's key.
func (u *update) putRecovery(so []byte) error {
	key, err := recoveryKey(so)
	if err != nil {
		return err
	}
	defer clear(key)
	return u.put(recordRecovery, recoveryRecord{key})
}

// suspend makes the records unreadable with the change, but for those of who may
// bring them back. Everyone is logged out.
func (u *update) suspend() error {
	var r recoveryRecord
	if _, err := read(u.hsm.vault, recordRecovery, &r); err != nil {
		return err
	}
	defer clear(r.Key)
	seal, err := vault.NewSealer(r.Key, u.hsm.entropy)
	if err != nil {
		return err
	}
	u.swap = swap{swapSuspend, seal}
	u.after(u.hsm.dropAll)
	u.after(func() { u.hsm.modules.Store(nil) })
	officers := []command.Role{command.RoleSO, command.RoleAuditor}
	kept := u.state.roles
	clear(u.state.roles[:])
	for _, role := range officers {
		u.state.roles[role] = kept[role]
		if err := u.keep(recordRole(role), recordAttempts(role)); err != nil {
			return err
		}
	}
	return u.keepAudit()
}

// resume brings suspended records back with the change; so is the key that the
// HSM SO's password opens.
func (u *update) resume(so []byte) error {
	key, err := recoveryKey(so)
	if err != nil {
		return err
	}
	defer clear(key)
	seal, err := vault.NewSealer(key, u.hsm.entropy)
	if err != nil {
		return err
	}
	u.swap = swap{swapResume, seal}
	u.records.Delete(recordAttempts(command.RoleSO)) // who has just logged in
	u.dropActivations()
	return nil
}

// exchange makes a change that exchanges generations durable.
func (u *update) exchange() error {
	u.records.Urgent = true
	if u.swap.kind == swapResume {
		return u.comeBack()
	}
	if err := u.putState(); err != nil {
		return err
	}
	v := u.hsm.vault
	if u.swap.kind == swapSuspend {
		suspended, err := v.Suspend(u.swap.key, &u.records)
		if suspended && err != nil {
			u.hsm.lost()
		}
		return err
	}
	destroyed, err := v.Replace(&u.records)
	if destroyed && err != nil {
		u.hsm.lost()
	}
	return err
}

// putState writes what follows from no record that is kept.
func (u *update) putState() error {
	err := u.put(recordHSM, u.state.hsm)
	if u.state.partition.State != command.PartitionAbsent {
		err = errors.Join(err, u.put(recordPartition, u.state.partition))
	}
	return errors.Join(err, u.putUnit())
}

// putUnit writes what is of the unit rather than of what it holds.
func (u *update) putUnit() error {
	return errors.Join(u.put(recordTamper, u.state.tamper), u.put(recordTransport, u.state.transport))
}

// comeBack resumes the suspended generation and reads the state from it.
func (u *update) comeBack() error {
	if err := u.putUnit(); err != nil {
		return err
	}
	resumed, err := u.hsm.vault.Resume(u.swap.key, &u.records)
	if err != nil {
		if resumed {
			u.hsm.lost()
		}
		return err
	}
	s := state{restart: u.state.restart}
	_, err = u.hsm.readState(&s)
	if err == nil {
		err = u.hsm.loadModules()
	}
	if err == nil {
		err = u.hsm.loadPublic()
	}
	u.state = s
	return err
}

// lost is the state after the way to the records was destroyed and nothing could
// be written in its place: that of an HSM zeroized, until the next power-on.
func (h *HSM) lost() {
	s := &state{hsm: hsmRecord{State: command.HSMZeroized}}
	s.derive(&h.firmware)
	h.state.Store(s)
	h.modules.Store(nil)
	h.dropAll()
}
