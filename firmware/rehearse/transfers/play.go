package transfers

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
)

// What the HSM of the unit is initialised with.
const (
	label    = "rehearsal"
	password = "so-password"
)

// play is an update under way, whatever goes wrong with it.
type play struct {
	subject *sweep.Subject
	file    *boottest.Update
	version string
	takes   time.Duration // a conversion of the data
	bus     *bus
	acked   []bool // chunks that the device has, as the host knows
	begun   bool   // it has answered to the beginning of the upload
	sent    uint   // the chunk behind the last one that was sent
}

// newPlay takes the file of a subject apart.
func newPlay(s *sweep.Subject, b *bus) (*play, error) {
	draft, err := fuf.ParseDraft(s.File)
	if err != nil {
		return nil, err
	}
	file, err := boottest.Split(s.File)
	if err != nil {
		return nil, err
	}
	return &play{
		subject: s, file: file, bus: b, acked: make([]bool, len(file.Chunks)),
		version: draft.Manifest.Release.Version.String(), takes: time.Duration(draft.Manifest.Release.Data.Minutes) * time.Minute,
	}, nil
}

// prepare initialises the HSM, before transfers are counted.
func (p *play) prepare() error {
	h := &host{bus: &bus{unit: p.bus.unit}}
	if err := errors.Join(h.enumerate(), h.hello()); err != nil {
		return err
	}
	return h.ask(command.CodeHSMInit, h.session, &command.HSMInitRequest{Label: label, Password: []byte(password), Method: command.AuthNone}, nil)
}

// maxAttempts bounds how often a host tries: one fault costs it two.
const maxAttempts = 4

// run updates the device, and begins again when a transfer fails.
func (p *play) run() error {
	h := &host{bus: p.bus}
	if err := h.enumerate(); err != nil {
		return err
	}
	var err error
	for attempt := range maxAttempts {
		if attempt > 0 && p.bus.fault.again {
			h = &host{bus: p.bus}
			if err := h.enumerate(); err != nil {
				return err
			}
		}
		if err = p.attempt(h); err == nil || !p.bus.struck() || errors.Is(err, errHangs) || errors.Is(err, errRule) {
			return err
		}
	}
	return err
}

// errRule marks something that must not be, however often it is tried.
var errRule = errors.New("not as it must be")

// attempt brings the update from where it is to its end.
func (p *play) attempt(h *host) error {
	if err := h.hello(); err != nil {
		return err
	}
	status, err := p.upload(h)
	if err != nil {
		return err
	}
	if status.Running != p.version {
		if err := p.apply(h, status); err != nil {
			return err
		}
	}
	return p.check(h)
}

// upload sends what is missing, and has it verified.
func (p *play) upload(h *host) (status command.UpdateStatus, err error) {
	if err := h.ask(command.CodeUpdateStatus, h.session, nil, &status); err != nil || status.Running == p.version {
		return status, err
	}
	if err := h.login(); err != nil {
		return status, err
	}
	if status.State == command.UpdateTrial || status.State == command.UpdateStaged {
		return status, nil
	}
	code := p.subject.Code
	begin := &command.UpdateRequest{Head: p.file.Head, Authcode: code[:], Client: p.subject.Facts.Client.String()}
	if err := h.ask(command.CodeUpdateBegin, h.session, begin, &status); err != nil {
		return status, err
	}
	if err := p.compare(status); err != nil {
		return status, err
	}
	for _, i := range status.Missing {
		if p.bus.unit.defect.skips(p.sent, i) {
			continue
		}
		p.sent = max(p.sent, i+1)
		if err := h.ask(command.CodeUpdateChunk, h.session, &command.UpdateChunkRequest{Index: i, Data: p.file.Chunks[i]}, nil); err != nil {
			return status, err
		}
		p.acked[i] = true
	}
	status.State = command.UpdateStaged
	return status, h.ask(command.CodeUpdateStage, h.session, nil, nil)
}

// compare looks at what the device has of the file: what was acknowledged, and at
// most the one chunk more that was on its way. At the first answer to the beginning
// of an upload these are the chunks whose content it knew already.
func (p *play) compare(status command.UpdateStatus) error {
	more := 0
	for i, acked := range p.acked {
		has := !slices.Contains(status.Missing, uint(i))
		if acked && !has {
			return fmt.Errorf("%w: chunk %d was acknowledged and is lost", errRule, i)
		}
		if has && !acked {
			more++
		}
		p.acked[i] = has
	}
	if more > 1 && p.begun {
		return fmt.Errorf("%w: the device has %d chunks that were not acknowledged", errRule, more)
	}
	p.begun = true
	return nil
}

// apply has the new firmware run.
func (p *play) apply(h *host, status command.UpdateStatus) error {
	if status.State == command.UpdateTrial {
		// The answer to the order was lost, and with it the restart: somebody
		// switches the device off and on.
		if err := p.bus.unit.cut(); err != nil {
			return err
		}
	} else {
		if err := h.ask(command.CodeUpdateApply, h.session, nil, nil); err != nil {
			return err
		}
		if err := p.bus.unit.restart(); err != nil {
			return err
		}
	}
	return errors.Join(h.enumerate(), h.hello())
}

// check looks at the device after the update.
func (p *play) check(h *host) error {
	var status command.UpdateStatus
	if err := h.ask(command.CodeUpdateStatus, h.session, nil, &status); err != nil {
		return err
	}
	if status.Running != p.version || status.State != command.UpdateIdle {
		return fmt.Errorf("%w: firmware %s runs, the update is %v", errRule, status.Running, status.State)
	}
	var info command.InfoResponse
	if err := h.ask(command.CodeInfo, 0, nil, &info); err != nil {
		return err
	}
	if info.Label != label || info.Serial != serial {
		return fmt.Errorf("%w: the HSM is %q, serial %s", errRule, info.Label, info.Serial)
	}
	p.bus.unit.pass(p.takes) // nobody can log in before the data are converted
	return h.login()
}
