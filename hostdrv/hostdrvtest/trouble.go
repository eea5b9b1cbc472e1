package hostdrvtest

import (
	"context"
	"crypto"
	"errors"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
)

const hash256 = crypto.SHA256

// wrongPassword locks the Crypto Officer out.
func wrongPassword(t *testing.T, goal Target) {
	dev := dial(t, goal)
	ctx := deadline(t)
	s := initialise(t, dev)
	must(t, s.Logout(ctx))
	before, err := s.RoleState(ctx, command.RoleCO)
	must(t, err)
	if before.AttemptsLeft < 2 {
		t.Fatalf("%d attempts at the start", before.AttemptsLeft)
	}
	for left := before.AttemptsLeft - 1; left > 0; left-- {
		if err := s.Login(ctx, command.RoleCO, wrong); !errors.Is(err, command.StatusPINIncorrect) {
			t.Fatalf("a wrong password with %d attempts left after it: %v", left, err)
		}
		state, err := s.RoleState(ctx, command.RoleCO)
		must(t, err)
		if state.AttemptsLeft != left || state.Locked {
			t.Errorf("role state %+v, want %d attempts", state, left)
		}
	}
	if err := s.Login(ctx, command.RoleCO, wrong); !errors.Is(err, command.StatusPINIncorrectLocked) {
		t.Errorf("the last wrong password: %v, want %v", err, command.StatusPINIncorrectLocked)
	}
	state, err := s.RoleState(ctx, command.RoleCO)
	must(t, err)
	if !state.Locked {
		t.Errorf("role state %+v, want it locked", state)
	}
	if err := s.Login(ctx, command.RoleCO, passwordCO); err == nil {
		t.Error("a locked role logged in")
	}
	alive(t, dev)
}

func refusals(t *testing.T, goal Target) {
	dev := dial(t, goal)
	ctx := deadline(t)
	s := initialise(t, dev)
	must(t, s.Logout(ctx))
	_, err := s.GenerateKey(ctx, command.Mechanism{Type: command.MechAESKeyGen}, command.Template{command.AttrValueLen: uint64(32)})
	var refused *command.Error
	if !errors.As(err, &refused) || refused.Status != command.StatusUserNotLoggedIn {
		t.Fatalf("a key without a login: %v, want %v", err, command.StatusUserNotLoggedIn)
	}
	if refused.Cause == "" || refused.Hint == "" {
		t.Errorf("refused with cause %q and hint %q", refused.Cause, refused.Hint)
	}
	must(t, s.Close(ctx))
	if _, err := s.Info(ctx); !errors.Is(err, command.StatusSessionHandleInvalid) {
		t.Errorf("a closed session: %v, want %v", err, command.StatusSessionHandleInvalid)
	}
	alive(t, dev)
}

func events(t *testing.T, goal Target) {
	dev := dial(t, goal)
	reset(t, dev)
	e, err := dev.NextEvent(deadline(t))
	must(t, err)
	if e.Code != command.EventStateChanged && e.Code != command.EventZeroized {
		t.Errorf("event %v after a factory reset", e.Code)
	}
}

// logsOut closes the driver while somebody is logged in. The next host must
// find nobody logged in and no session open but its own.
func logsOut(t *testing.T, goal Target) {
	first := dial(t, goal)
	initialise(t, first)
	must(t, first.Close())

	dev := dial(t, goal)
	s := open(t, dev, command.SlotPartition)
	state, err := s.RoleState(deadline(t), command.RoleCO)
	must(t, err)
	info, err := dev.Info(deadline(t))
	must(t, err)
	if state.LoggedIn || info.Sessions != 1 {
		t.Errorf("after the host before has closed: logged in %v, %d sessions", state.LoggedIn, info.Sessions)
	}
	if _, err := first.Info(deadline(t)); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("a call on a closed driver: %v, want %v", err, transport.ErrClosed)
	}
}

func reconnects(t *testing.T, goal Target) {
	dev := dial(t, goal)
	s := initialise(t, dev)
	must(t, dev.Reconnect(deadline(t)))
	if _, err := s.Info(deadline(t)); !errors.Is(err, hostdrv.ErrSessionLost) {
		t.Errorf("a session from before: %v, want %v", err, hostdrv.ErrSessionLost)
	}
	s = open(t, dev, command.SlotPartition)
	must(t, s.Login(deadline(t), command.RoleCO, passwordCO))
	alive(t, dev)
}

// vanishedHost floods the device and leaves without reading a response, as a
// program does that is killed.
func vanishedHost(t *testing.T, goal Target) {
	link, err := goal.Bus.Open(deadline(t), goal.Selector)
	must(t, err)
	hello, err := command.Marshal(&command.HelloRequest{MinVersion: 1, MaxVersion: 1})
	must(t, err)
	opening, _ := frame.NewSplitter(frame.Message{Type: frame.TypeHello, Tag: 1, Payload: hello}).AppendFrame(nil, frame.MaxTransfer)
	must(t, link.Write(deadline(t), opening))
	payload, err := command.Marshal(&command.Echo{Data: make([]byte, 60_000)})
	must(t, err)
	for tag, full := uint32(1), false; !full; tag++ {
		m := frame.Message{Type: frame.TypeRequest, Tag: tag, Code: uint32(command.CodeEcho), Payload: payload}
		transfer, _ := frame.NewSplitter(m).AppendFrame(nil, frame.MaxTransfer)
		const patience = 250 * time.Millisecond
		ctx, cancel := context.WithTimeout(deadline(t), patience)
		err := link.Write(ctx, transfer)
		cancel()
		full = errors.Is(err, context.DeadlineExceeded)
		if err != nil && !full {
			t.Fatalf("write: %v", err)
		}
	}
	must(t, link.Close())
	alive(t, dial(t, goal))
}

func vanishes(t *testing.T, goal Target) {
	dev := dial(t, goal)
	s := initialise(t, dev)
	waiting := make(chan error)
	go func() {
		for {
			if _, err := dev.NextEvent(deadline(t)); err != nil {
				waiting <- err
				return
			}
		}
	}()
	goal.Unplug()
	if err := <-waiting; !errors.Is(err, transport.ErrDisconnected) {
		t.Errorf("waiting for an event: %v, want %v", err, transport.ErrDisconnected)
	}
	if _, err := s.Random(deadline(t), 1); !errors.Is(err, transport.ErrDisconnected) {
		t.Errorf("a call: %v, want %v", err, transport.ErrDisconnected)
	}
	if err := dev.Reconnect(deadline(t)); err == nil {
		t.Error("reconnected to a device that is not there")
	}
	goal.Plug()
	must(t, dev.Reconnect(deadline(t)))
	alive(t, dev)
	if _, err := s.Random(deadline(t), 1); !errors.Is(err, hostdrv.ErrSessionLost) {
		t.Errorf("a session from before: %v, want %v", err, hostdrv.ErrSessionLost)
	}
}
