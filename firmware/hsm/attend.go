package hsm

import (
	"context"
	"errors"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/hsm/vault"
)

// subject names a role to the people in front of the device.
func (s *state) subject(role command.Role) Subject {
	label := s.hsm.Label
	if role.Slot() == command.SlotPartition {
		label = s.partition.Label
	}
	return Subject{Secret: SecretRole, Role: role, Label: label}
}

// makeKeyset has people make a keyset, or take one that exists, and returns what it
// gives.
func (c *call) makeKeyset(s Subject) ([]byte, error) {
	s.Single = !c.hsm.state.Load().policies.hsm.On(policy.MofN)
	return c.secretFrom(s, TrustedPath.Create)
}

// askKeyset has people present the keyset of a subject and returns what it gives.
func (c *call) askKeyset(s Subject) ([]byte, error) {
	return c.secretFrom(s, TrustedPath.Present)
}

func (c *call) secretFrom(s Subject, ask func(TrustedPath, context.Context, Subject) ([]byte, error)) (given []byte, err error) {
	err = c.attend(s, func(ctx context.Context, path TrustedPath) (err error) {
		if given, err = ask(path, ctx, s); err == nil && len(given) != vault.KeySize {
			err = command.StatusGeneralError.With("a keyset gave a secret of the wrong size", "report this")
		}
		return err
	})
	if err != nil {
		clear(given)
		return nil, err
	}
	return given, nil
}

// attend tells the host that the device waits for people, and waits for them. No
// lock is held: whoever calls it looks again at whatever it has looked at. If
// nothing can come of the call any more, such as after a tamper event, its context
// ends and people are let go; the error is what the call would be refused with.
func (c *call) attend(s Subject, do func(context.Context, TrustedPath) error) error {
	path := c.hsm.path
	if path == nil {
		return command.StatusPEDUnplugged.With("this device has no screen and no port for iKeys", "use password authentication")
	}
	ctx, end := c.wait()
	defer end()
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.hsm.notify != nil {
		c.hsm.notify(command.Event{Code: command.EventAttend, Role: s.Role, Text: c.row.Name + " waits for people at the device"})
	}
	err := do(ctx, path)
	if why := (*command.Error)(nil); errors.As(context.Cause(ctx), &why) {
		return why
	}
	if err != nil {
		return err
	}
	return ctx.Err()
}

// wait has the call noted as one that waits for people, until end. The context is
// the call's; it ends early, with a command.Error as its cause, when dismiss says so.
func (c *call) wait() (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	c.hsm.mu.Lock()
	defer c.hsm.mu.Unlock()
	c.hsm.waiting[c] = cancel
	return ctx, func() {
		c.hsm.mu.Lock()
		delete(c.hsm.waiting, c)
		c.hsm.mu.Unlock()
		cancel(nil)
	}
}

// dismiss lets the people go who are asked for something that would be refused in
// the end. It runs after every change; mu is held.
func (h *HSM) dismiss() {
	for c, cancel := range h.waiting {
		if err := c.stands(); err != nil {
			cancel(err)
		}
	}
}

// confirm has a person at the device allow something, where roles authenticate with
// iKeys; elsewhere the password of the HSM SO is enough.
func (c *call) confirm(q Question) error {
	if c.hsm.state.Load().method() != command.AuthQuorum {
		return nil
	}
	return c.attend(Subject{Role: c.role()}, func(ctx context.Context, path TrustedPath) error { return path.Confirm(ctx, q) })
}
