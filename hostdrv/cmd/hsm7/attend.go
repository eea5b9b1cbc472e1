package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// errSilent says that --timeout is over.
var errSilent = fmt.Errorf("no answer in the time that --timeout gives: %w", context.DeadlineExceeded)

// patience is how long a command may take. It is lifted when the device waits for
// people, who have limits of their own at its screen.
type patience struct {
	app       *app
	ctx       context.Context
	cancel    context.CancelCauseFunc
	timer     *time.Timer
	told      sync.Once // that people are waited for
	listening sync.WaitGroup
}

func (a *app) newPatience(ctx context.Context) *patience {
	p := &patience{app: a}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.timer = time.AfterFunc(a.timeout, func() { p.cancel(errSilent) })
	return p
}

// listen looks out for the device waiting for people until end. Next is NextEvent
// of the device.
func (p *patience) listen(next func(context.Context) (command.Event, error)) {
	p.listening.Go(func() {
		for {
			e, err := next(p.ctx)
			if err != nil {
				return
			}
			if e.Code == command.EventAttend {
				p.timer.Stop()
				p.told.Do(func() { p.app.callPeople(e) })
			}
		}
	})
}

// end gives back what the patience has, and returns the error of a command that it
// ended in words of its own.
func (p *patience) end(err error) error {
	p.timer.Stop()
	p.cancel(nil)
	p.listening.Wait()
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(p.ctx), errSilent) {
		return errSilent
	}
	return err
}

// callPeople tells people that they are waited for. From then on the screen does.
func (a *app) callPeople(e command.Event) {
	if a.told {
		return
	}
	if a.json {
		_ = encodeJSON(a.errs, map[string]string{"attend": e.Text, "role": e.Role.String()})
		return
	}
	io.WriteString(a.errs, "Please attend to the device's screen.\n")
}

// logIn logs a role in to a session: with its password; or with the keyset that
// people present at the device, and a challenge secret if the role has one.
func (a *app) logIn(ctx context.Context, s *hostdrv.Session, role command.Role, from passwordSource) error {
	password, err := a.proof(ctx, s, role, from)
	if err != nil {
		return err
	}
	defer clear(password)
	return s.Login(ctx, role, password)
}

// proof returns what a host sends to log a role in; nil: nothing. The caller wipes
// it.
func (a *app) proof(ctx context.Context, s *hostdrv.Session, role command.Role, from passwordSource) ([]byte, error) {
	state, err := s.RoleState(ctx, role)
	switch {
	case err != nil:
		return nil, err
	case state.Primary != command.AuthQuorum:
		return a.password(role, from)
	case state.Secondary == command.AuthNone:
		return nil, nil
	}
	return a.secret(passwordVariable(role), "challenge secret for "+role.String(), from)
}

// newProof returns the password that a role is to have; nil: people make a keyset
// at the device. The caller wipes it.
func (a *app) newProof(ctx context.Context, s *hostdrv.Session, role command.Role, from passwordSource) ([]byte, error) {
	info, err := s.Device().Info(ctx)
	if err != nil || info.Method == command.AuthQuorum {
		return nil, err
	}
	return a.newPassword(role, from)
}
