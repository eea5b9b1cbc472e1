package starts

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
	"usbhsm7/fuf"
)

// player starts a device. It may be used by several goroutines.
type player struct {
	Options
	before   state         // of the device, in the firmware that it has
	after    state         // in the new one, without a cut
	version  fuf.Version   // of the update
	converts time.Duration // how long it converts the data
}

// state is what a device shows that has started.
type state struct {
	boot   boot.Status
	schema uint32 // of data, that the firmware has
	held   hsm.Holdings
}

// newPlayer starts the device in the firmware that it has, to know what it holds.
func newPlayer(ctx context.Context, o Options) (*player, error) {
	p := &player{Options: o}
	draft, err := fuf.ParseDraft(o.Subject.File)
	if err != nil {
		return nil, err
	}
	p.Defect, p.version, p.converts = nil, draft.Manifest.Release.Version, time.Duration(draft.Manifest.Release.Data.Minutes)*time.Minute
	if p.before, err = p.start(ctx, o.Subject.Chip.Clone()); err != nil {
		return nil, fmt.Errorf("in the firmware that it has: %w", err)
	}
	p.Defect = o.Defect
	return p, nil
}

// begin notes what the device shows that has started in the update without a cut, and
// returns which rule does not hold then, and how; "" = all hold.
func (p *player) begin(ctx context.Context, s state, err error) (Rule, string) {
	p.after = s
	if err == nil && s.boot.Running != p.version {
		// The device has given it up, and does not say why. Firmware that was confirmed
		// it does not give up.
		if _, err = p.start(ctx, p.Prepared.Installed()); err == nil {
			return Whole, fmt.Sprintf("firmware %v runs", s.boot.Running)
		}
	}
	return p.judge(s, err)
}

// start switches the device on, lets pass what a conversion of the data takes, and looks.
func (p *player) start(ctx context.Context, chip flash.Device) (s state, err error) {
	records, images, err := boot.Divide(chip)
	if err != nil {
		return s, err
	}
	opened, err := store.Open(records)
	if err != nil {
		return s, err
	}
	defer opened.Close()
	storage := vault.Storage(opened)
	if p.Defect != nil {
		storage = p.Defect.storage(opened)
	}
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], p.Seed)
	now := p.Subject.Facts.Now
	core, err := device.StartCore(images, p.Subject.Verifier, hsm.Config{
		Store: storage, Cost: auth.Quick, Entropy: rand.NewChaCha8(seed), Serial: "rehearsal",
		Clock: func() time.Time { return now },
	})
	if core != nil {
		defer core.Close()
	}
	if err != nil {
		return s, err
	}
	now = now.Add(p.converts)
	if status, _ := core.HSM.Connect().Execute(ctx, command.CodeInfo, 0, nil); status != command.StatusOK {
		return s, fmt.Errorf("it does not say what it is: %w", status.With("", ""))
	}
	if s.boot, err = core.Boot.Status(); err != nil {
		return s, err
	}
	s.schema = core.Boot.Running().DataSchema
	s.held, err = core.HSM.Holdings()
	return s, err
}

// point is an operation on the flash, where the power can be cut.
type point struct {
	before    *flash.Memory
	number    int // counted from 1
	operation flash.Operation
}

// cut is a cut at a point.
type cut struct {
	*point
	how flash.Outcome
}

func (c cut) String() string { return flash.CutAt(c.number, c.operation, c.how).String() }

// crash returns the chip that the cut leaves.
func (c cut) crash() (*flash.Memory, error) {
	chip := c.before.Clone()
	return chip, c.operation.Perform(chip, c.how)
}

// record is start, and returns every point of it too.
func (p *player) record(ctx context.Context, chip *flash.Memory) (points []point, s state, err error) {
	tap := flash.NewTap(chip, func(o flash.Operation) error {
		o.Data = append([]byte(nil), o.Data...)
		points = append(points, point{chip.Clone(), len(points) + 1, o})
		return ctx.Err()
	})
	s, err = p.start(ctx, tap)
	return points, s, err
}

// cuts lists the ways to cut the power at points.
func (p *player) cuts(points []point) (cuts []cut) {
	for i := range points {
		for _, how := range oneTear.Outcomes(points[i].operation, p.Seed) {
			cuts = append(cuts, cut{&points[i], how})
		}
	}
	return cuts
}
