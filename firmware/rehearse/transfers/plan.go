package transfers

import (
	"context"

	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// Plan asks the device itself, with its own HSM and state, what stands against the
// update. That nobody is logged in is left out: somebody will be.
func Plan(ctx context.Context, s sweep.Subject) ([]command.UpdateCheck, error) {
	size, err := fuf.HeadSize(s.File)
	if err != nil {
		return nil, err
	}
	u := &unit{ctx: ctx, chip: flash.NewGuard(s.Chip.Clone()), verifier: s.Verifier, began: s.Facts.Now}
	if err := u.on(); err != nil {
		return nil, err
	}
	var plan command.UpdatePlanResponse
	h := &host{bus: &bus{unit: u}}
	if err = h.enumerate(); err == nil {
		err = h.hello()
	}
	if err == nil {
		code := s.Code
		err = h.ask(command.CodeUpdatePlan, h.session, &command.UpdateRequest{
			Head: s.File[:min(size, len(s.File))], Authcode: code[:], Client: s.Facts.Client.String(),
		}, &plan)
	}
	if off := u.off(); err == nil {
		err = off
	}
	var checks []command.UpdateCheck
	for _, c := range plan.Checks {
		if c.Status != command.StatusUserNotLoggedIn {
			checks = append(checks, c)
		}
	}
	return checks, err
}
