package device

import (
	"errors"
	"math"
	"sync"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// bootloader is the bootloader as the core knows it: in numbers and statuses of the
// protocol.
type bootloader struct{ boot *boot.Boot }

var _ hsm.Bootloader = bootloader{}

// Plan implements hsm.Bootloader.
func (b bootloader) Plan(head, authcode []byte, f hsm.UpdateFacts) (*command.UpdatePlanResponse, error) {
	facts, err := factsOf(f)
	if err != nil {
		return nil, err
	}
	code, err := codeOf(authcode)
	if len(authcode) > 0 && err != nil {
		return nil, err
	}
	if len(authcode) == 0 {
		code = nil
	}
	plan := b.boot.Plan(head, code, facts)
	answer := &command.UpdatePlanResponse{Running: plan.Running.String(), Chunks: uint(plan.Chunks), Missing: uint(plan.Missing)}
	if plan.Chunks > 0 {
		answer.Version = plan.Version.String()
	}
	for _, check := range plan.Checks {
		c := command.UpdateCheck{Name: check.Name, Detail: check.Detail}
		if check.Err != nil {
			c.Status = statusOf(check.Err)
		}
		answer.Checks = append(answer.Checks, c)
	}
	return answer, nil
}

// Begin implements hsm.Bootloader.
func (b bootloader) Begin(head, authcode []byte, f hsm.UpdateFacts) error {
	facts, err := factsOf(f)
	if err != nil {
		return err
	}
	code, err := codeOf(authcode)
	if err != nil {
		return err
	}
	return refused(b.boot.Begin(head, *code, facts))
}

func codeOf(b []byte) (*fuf.Authcode, error) {
	if len(b) != len(fuf.Authcode{}) {
		return nil, command.StatusArgumentsBad.Withf("an authentication code has %d bytes", len(fuf.Authcode{}))
	}
	code := fuf.Authcode(b)
	return &code, nil
}

func factsOf(f hsm.UpdateFacts) (boot.Facts, error) {
	client, err := fuf.ParseVersion(f.Client)
	if err != nil {
		return boot.Facts{}, command.StatusArgumentsBad.Withf("the client's version: %v", err)
	}
	return boot.Facts{Now: f.Now, Client: client, PoliciesOn: f.PoliciesOn, FreePercent: f.FreePercent}, nil
}

// Chunks implements hsm.Bootloader.
func (b bootloader) Chunks(first uint, run []byte) error {
	if first > math.MaxInt32 {
		return refused(fuf.ErrChunk)
	}
	return refused(b.boot.Chunks(int(first), run))
}

// Stage implements hsm.Bootloader.
func (b bootloader) Stage() error { return refused(b.boot.Stage()) }

// Ready implements hsm.Bootloader.
func (b bootloader) Ready(f hsm.UpdateFacts) error {
	return refused(b.boot.Ready(boot.Facts{Now: f.Now, PoliciesOn: f.PoliciesOn, FreePercent: f.FreePercent}))
}

// Activate implements hsm.Bootloader.
func (b bootloader) Activate() error { return refused(b.boot.Activate()) }

// Abort implements hsm.Bootloader.
func (b bootloader) Abort() error { return refused(b.boot.Abort()) }

// Rollback implements hsm.Bootloader.
func (b bootloader) Rollback(modules bool) error { return refused(b.boot.Rollback(modules)) }

// RaiseFloor implements hsm.Bootloader.
func (b bootloader) RaiseFloor(security uint32) error { return refused(b.boot.RaiseFloor(security)) }

// unpack verifies a whole file of a kind that is not firmware, and returns what it
// carries.
func (b bootloader) unpack(file []byte, kind fuf.Kind, authcode []byte, f hsm.UpdateFacts) (*fuf.Release, []byte, error) {
	facts, err := factsOf(f)
	if err != nil {
		return nil, nil, err
	}
	code, err := codeOf(authcode)
	if err != nil {
		return nil, nil, err
	}
	release, payload, err := b.boot.Unpack(file, kind, *code, facts)
	return release, payload, refused(err)
}

// Licence implements hsm.Bootloader.
func (b bootloader) Licence(file, authcode []byte, f hsm.UpdateFacts) (*hsm.Licence, error) {
	_, payload, err := b.unpack(file, fuf.Capability, authcode, f)
	if err != nil {
		return nil, err
	}
	l, err := boot.DecodeLicence(payload)
	if err != nil {
		return nil, refused(err)
	}
	licence := &hsm.Licence{ID: l.ID, Name: l.Name, Serial: l.Serial, Destroys: l.Destroys, Storage: l.Storage}
	for _, g := range l.Grants {
		licence.Grants = append(licence.Grants, hsm.Grant{Partition: g.Table == boot.PartitionPolicies, ID: g.ID, Capability: g.Capability})
	}
	return licence, nil
}

// Module implements hsm.Bootloader.
func (b bootloader) Module(file, authcode []byte, f hsm.UpdateFacts) (*hsm.Module, error) {
	release, payload, err := b.unpack(file, fuf.Module, authcode, f)
	if err != nil {
		return nil, err
	}
	m, err := boot.DecodeModule(payload)
	if err != nil {
		return nil, refused(err)
	}
	if m.Version != release.Version {
		return nil, command.StatusInvalidFUFHeader.Withf("the module has version %v, its release says %v", m.Version, release.Version)
	}
	return &hsm.Module{Name: m.Name, Version: m.Version.String(), Code: m.Code}, nil
}

// mostMissing is how many missing chunks Status lists.
const mostMissing = 1024

// Status implements hsm.Bootloader.
func (b bootloader) Status() (*command.UpdateStatus, error) {
	s, err := b.boot.Status()
	if err != nil {
		return nil, refused(err)
	}
	answer := &command.UpdateStatus{
		State: command.UpdateState(s.State), Last: command.UpdateOutcome(s.Last), Running: s.Running.String(),
		Security: s.Security, Floor: s.Floor,
	}
	if s.Recovers {
		answer.Lost = s.Lost.String()
	}
	if s.Rollback != nil {
		answer.Rollback = s.Rollback.Version.String()
	}
	if s.Incoming != nil {
		id := s.Incoming.ID()
		answer.Incoming, answer.ID = s.Incoming.Manifest().Release.Version.String(), id[:]
		answer.Chunks = uint(s.Incoming.Chunks())
	}
	for i, have := range s.Have {
		if !have && len(answer.Missing) < mostMissing {
			answer.Missing = append(answer.Missing, uint(i))
		}
	}
	return answer, nil
}

// refusals gives the reasons of bootloader and update files their statuses, those
// of the real product where it is known which they are.
var refusals = map[error]command.Status{
	boot.ErrState: command.StatusOperationRestricted, boot.ErrKind: command.StatusInvalidFUFTarget,
	boot.ErrTarget: command.StatusInvalidFUFTarget, boot.ErrPath: command.StatusBadFWVersion,
	boot.ErrBootloader: command.StatusInvalidFUFVersion, boot.ErrClient: command.StatusInvalidFUFVersion,
	boot.ErrDowngrade: command.StatusBadFWVersion, boot.ErrSchema: command.StatusInvalidFUFVersion,
	boot.ErrTime: command.StatusOperationRestricted, boot.ErrPolicies: command.StatusOperationRestricted,
	boot.ErrCapacity: command.StatusHSMStorageFull, boot.ErrRoom: command.StatusHSMStorageFull,
	boot.ErrIncomplete: command.StatusOperationRestricted, boot.ErrImage: command.StatusInvalidFUFHeader,
	boot.ErrUnfit: command.StatusInvalidFUFVersion, boot.ErrNoRollback: command.StatusOperationRestricted, boot.ErrModules: command.StatusOperationRestricted,
	boot.ErrFloor: command.StatusArgumentsBad,

	fuf.ErrSchema: command.StatusInvalidFUFVersion, fuf.ErrRecipient: command.StatusInvalidFUFTarget,
	fuf.ErrAuthcode: command.StatusFWUpdateDenied,
}

// statusOf returns the status of what the bootloader refuses with.
func statusOf(err error) command.Status {
	var fileReason fuf.Reason
	var reason boot.Reason
	switch {
	case errors.As(err, &reason):
		return refusals[reason]
	case errors.As(err, &fileReason):
		if status, ok := refusals[fileReason]; ok {
			return status
		}
		return command.StatusInvalidFUFHeader
	}
	return command.StatusDeviceError
}

// refused puts an error of the bootloader into words and numbers of the protocol.
func refused(err error) error {
	if err == nil {
		return nil
	}
	if status := statusOf(err); status != command.StatusDeviceError {
		return status.With(err.Error(), "")
	}
	return hsm.StorageFailed(err)
}

// published is a verifier that trusts the published keys of the simulator. They are
// made when they are first wanted, which takes a while and mostly never happens.
type published struct{ make func() boot.Verifier }

func newPublished() published {
	return published{sync.OnceValue(func() boot.Verifier { return boot.Trusting(testkeys.Trust(), testkeys.Models()) })}
}

// Open implements boot.Verifier.
func (p published) Open(head []byte) (*fuf.Update, error) { return p.make().Open(head) }

// Unlock implements boot.Verifier.
func (p published) Unlock(u *fuf.Update, code fuf.Authcode) (*fuf.Key, error) {
	return p.make().Unlock(u, code)
}

// Check implements boot.Verifier.
func (p published) Check(u *fuf.Update, payload []byte) error { return p.make().Check(u, payload) }
