package ikey_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"

	"usbhsm7/ikey"
	"usbhsm7/ikey/internal/folder"
	"usbhsm7/ikey/internal/wire"
	"usbhsm7/ikey/token"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestAReaderWritesAndReadsAKey(t *testing.T) {
	ctx := t.Context()
	r, _ := readerOf(t, newStick(t))
	want := contents()

	if info, err := r.Identify(ctx); err != nil || info != (ikey.Info{}) {
		t.Errorf("a blank key: %+v, %v", info, err)
	}
	if _, err := r.Read(ctx, nil); !errors.Is(err, ikey.ErrBlank) {
		t.Errorf("read a blank key: %v, want %v", err, ikey.ErrBlank)
	}
	if err := r.Write(ctx, want, right); err != nil {
		t.Fatal(err)
	}
	if info, err := r.Identify(ctx); err != nil || info != (ikey.Info{Kind: ikey.SO, PIN: true, TriesLeft: ikey.MaxTries}) {
		t.Errorf("a written key: %+v, %v", info, err)
	}
	if _, err := r.Read(ctx, wrong); !errors.Is(err, ikey.ErrPIN) {
		t.Errorf("read with a wrong PIN: %v, want %v", err, ikey.ErrPIN)
	}
	if err := r.ChangePIN(ctx, right, wrong); err != nil {
		t.Error(err)
	}
	if got, err := r.Read(ctx, wrong); err != nil || !equal(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
	if err := r.Erase(ctx); err != nil {
		t.Error(err)
	}
	if info, err := r.Identify(ctx); err != nil || info != (ikey.Info{}) {
		t.Errorf("an erased key: %+v, %v", info, err)
	}
}

func TestAnEmptyPortHasNoKey(t *testing.T) {
	for name, call := range calls(t.Context(), ikey.NewReader(ikey.NewPort())) {
		if err := call(); !errors.Is(err, ikey.ErrNoKey) {
			t.Errorf("%s: %v, want %v", name, err, ikey.ErrNoKey)
		}
	}
}

func TestWhatIsNoKeyIsRecognised(t *testing.T) {
	like := lookalike(t).Descriptors()
	other := like
	other.Product++
	unconfigured := like
	unconfigured.Configurations = []usb.Configuration{{Value: wire.Config + 1}}
	busy := lookalike(t)
	if _, err := busy.Connect(); err != nil {
		t.Fatal(err)
	}
	for name, device := range map[string]ikey.Peripheral{
		"another make":             usbtest.NewDevice(t),
		"another product":          newDevice(t, other),
		"no such configuration":    newDevice(t, unconfigured),
		"a device in use":          busy,
		"one that stalls all":      stalling{usbtest.NewDevice(t)},
		"one with half its device": short{lookalike(t)},
	} {
		r, _ := readerOf(t, device)
		for call, do := range calls(t.Context(), r) {
			if err := do(); !errors.Is(err, ikey.ErrNotAKey) {
				t.Errorf("%s: %s: %v, want %v", name, call, err, ikey.ErrNotAKey)
			}
		}
	}
}

// stalling refuses every transfer.
type stalling struct{ ikey.Peripheral }

func (stalling) Submit(u *usb.URB) { u.Complete(0, usb.EPIPE) }

// short has eight bytes of every descriptor.
type short struct{ ikey.Peripheral }

func (s short) Submit(u *usb.URB) {
	u.Buffer = u.Buffer[:min(len(u.Buffer), 8)]
	s.Peripheral.Submit(u)
}

func TestAKeyWithoutItsEndpointsIsDamaged(t *testing.T) {
	d := lookalike(t).Descriptors()
	d.Configurations = []usb.Configuration{{Value: wire.Config, Interfaces: []usb.Interface{{Class: wire.Class}}}}
	r, _ := readerOf(t, newDevice(t, d))
	if _, err := r.Identify(t.Context()); !errors.Is(err, ikey.ErrDamaged) {
		t.Errorf("error %v, want %v", err, ikey.ErrDamaged)
	}
}

// answering runs a device that has one response to everything until the test
// ends.
func answering(t *testing.T, response func(request []byte) []byte) *usb.Device {
	t.Helper()
	d := lookalike(t)
	usbtest.Run(t, func(ctx context.Context) {
		buffer := make([]byte, wire.MaxRequest)
		for ctx.Err() == nil {
			n, err := d.Out(wire.Out).Read(ctx, buffer)
			if err == nil {
				_ = d.In(wire.In).Write(ctx, response(buffer[:n]))
			}
		}
	})
	return d
}

func TestAKeyThatTalksNonsenseIsDamaged(t *testing.T) {
	for name, response := range map[string]func(request []byte) []byte{
		"nothing":           func([]byte) []byte { return nil },
		"too little":        func(q []byte) []byte { return q[:1] },
		"too much":          func(q []byte) []byte { return append([]byte{q[0], 0, 0, 0, 0, 0}, make([]byte, wire.MaxResponse)...) },
		"more than a URB":   func([]byte) []byte { return make([]byte, 4096) },
		"an unknown status": func(q []byte) []byte { return []byte{q[0], 99, 0, 0, 0, 0} },
		"damaged":           func(q []byte) []byte { return []byte{q[0], uint8(wire.Damaged), 0, 0, 0, 0} },
	} {
		r, _ := readerOf(t, answering(t, response))
		for call, do := range calls(t.Context(), r) {
			if err := do(); !errors.Is(err, ikey.ErrDamaged) {
				t.Errorf("%s: %s: %v, want %v", name, call, err, ikey.ErrDamaged)
			}
		}
	}
}

func TestStatusesHaveTheirErrors(t *testing.T) {
	for status, want := range map[wire.Status]error{
		wire.Blank: ikey.ErrBlank, wire.WrongPIN: ikey.ErrPIN, wire.BadPIN: ikey.ErrPINRule,
		wire.Worn: ikey.ErrWorn, wire.Malformed: ikey.ErrContents,
	} {
		r, _ := readerOf(t, answering(t, func(q []byte) []byte { return []byte{q[0], uint8(status), 0, 0, 0, 0} }))
		if _, err := r.Read(t.Context(), right); !errors.Is(err, want) {
			t.Errorf("status %d: %v, want %v", status, err, want)
		}
	}
}

func TestContentsOfAnotherDeviceMakeNoSense(t *testing.T) {
	r, _ := readerOf(t, answering(t, func(q []byte) []byte { return []byte{q[0], 0, 0, 0, 0, 2, 1, 2} }))
	if _, err := r.Read(t.Context(), nil); !errors.Is(err, ikey.ErrContents) {
		t.Errorf("error %v, want %v", err, ikey.ErrContents)
	}
}

// What is left over of a request that nobody waited for is not taken for the
// answer to the next.
func TestAStaleResponseIsDropped(t *testing.T) {
	d := lookalike(t)
	usbtest.Run(t, func(ctx context.Context) {
		buffer := make([]byte, wire.MaxRequest)
		for ctx.Err() == nil {
			n, err := d.Out(wire.Out).Read(ctx, buffer)
			if err != nil || n == 0 {
				continue
			}
			stale := []byte{buffer[0] - 1, 0, uint8(ikey.RPV), 1, 1, 0}
			fresh := []byte{buffer[0], 0, uint8(ikey.User), 0, 0, 0}
			_ = d.In(wire.In).Write(ctx, stale)
			_ = d.In(wire.In).Write(ctx, fresh)
		}
	})
	r, _ := readerOf(t, d)
	if info, err := r.Identify(t.Context()); err != nil || info != (ikey.Info{Kind: ikey.User}) {
		t.Errorf("info %+v, %v", info, err)
	}
}

// A key that takes for ever is given up after a while; nobody has to wait for it.
func TestAKeyThatDoesNotAnswerIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := readerOf(t, lookalike(t))
		if _, err := r.Identify(t.Context()); !errors.Is(err, ikey.ErrDamaged) || !errors.Is(err, usb.ETIME) {
			t.Errorf("error %v, want %v", err, ikey.ErrDamaged)
		}
	})
}

func TestACallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := readerOf(t, lookalike(t))
		results := make(chan error, 2)
		for range cap(results) { // one waits for the key, the other for its turn
			go func() {
				_, err := r.Identify(ctx)
				results <- err
			}()
		}
		synctest.Wait()
		cancel()
		for range cap(results) {
			if err := <-results; !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want %v", err, context.Canceled)
			}
		}
	})
}

func TestAKeyThatIsPulledOutEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name := range calls(t.Context(), nil) {
			r, port := readerOf(t, lookalike(t))
			result := make(chan error, 1)
			go func() { result <- calls(t.Context(), r)[name]() }()
			synctest.Wait()
			port.Remove()
			if err := <-result; !errors.Is(err, ikey.ErrRemoved) {
				t.Errorf("%s: %v, want %v", name, err, ikey.ErrRemoved)
			}
		}
	})
}

func TestAKeyThatHasLeftIsRemoved(t *testing.T) {
	d := lookalike(t)
	r, _ := readerOf(t, d)
	d.Unplug() // before anybody takes it out of the port
	if _, err := r.Identify(t.Context()); !errors.Is(err, ikey.ErrRemoved) {
		t.Errorf("error %v, want %v", err, ikey.ErrRemoved)
	}
}

func TestNothingImpossibleIsSentToAKey(t *testing.T) {
	ctx := t.Context()
	r, _ := readerOf(t, newStick(t))
	none := contents()
	none.Kind = ikey.Blank
	bad := []byte("12x4")
	for name, test := range map[string]struct{ got, want error }{
		"contents":             {r.Write(ctx, none, nil), ikey.ErrContents},
		"a PIN to set":         {r.Write(ctx, contents(), bad), ikey.ErrPINRule},
		"a PIN to change to":   {r.ChangePIN(ctx, nil, bad), ikey.ErrPINRule},
		"a PIN to change from": {r.ChangePIN(ctx, bad, nil), ikey.ErrPIN},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
	if _, err := r.Read(ctx, bad); !errors.Is(err, ikey.ErrPIN) {
		t.Errorf("a PIN to read with: %v, want %v", err, ikey.ErrPIN)
	}
}

// A device gets the same bytes from both: descriptors and responses.
func TestACopyCannotBeToldFromItsOriginal(t *testing.T) {
	shelf := &folder.Memory{}
	original := folder.File{Folder: shelf, Name: "original"}
	if err := token.Format(original); err != nil {
		t.Fatal(err)
	}
	stick := stickOf(t, original)
	r, port := readerOf(t, stick)
	if err := r.Write(t.Context(), contents(), nil); err != nil {
		t.Fatal(err)
	}
	port.Remove()
	content, err := original.Load()
	if err != nil {
		t.Fatal(err)
	}
	duplicate := folder.File{Folder: shelf, Name: "copy"}
	if err := duplicate.Replace(content); err != nil {
		t.Fatal(err)
	}
	if first, second := everything(t, stick), everything(t, stickOf(t, duplicate)); !bytes.Equal(first, second) {
		t.Errorf("the original gives\n% x\nthe copy\n% x", first, second)
	}
}

// everything returns all bytes that a session with a key moves to the host.
func everything(t *testing.T, d ikey.Peripheral) []byte {
	t.Helper()
	tap := &listener{Peripheral: d}
	r, _ := readerOf(t, tap)
	if _, err := r.Identify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	defer d.Disconnect()
	for _, descriptor := range []uint16{usb.DescriptorDevice << 8, usb.DescriptorConfiguration << 8, usb.DescriptorString<<8 | 1, usb.DescriptorString<<8 | 2} {
		usbtest.Do(tap, &usb.URB{Endpoint: usb.DirIn, Buffer: make([]byte, 255), Setup: usb.Setup{
			RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: descriptor, Length: 255,
		}})
	}
	return tap.heard
}

// listener keeps what a device sends.
type listener struct {
	ikey.Peripheral
	heard []byte
}

func (l *listener) Submit(u *usb.URB) {
	done := u.Done
	u.Done = func(u *usb.URB) {
		if u.In() {
			l.heard = append(l.heard, u.Buffer[:u.Actual]...)
		}
		done(u)
	}
	l.Peripheral.Submit(u)
}

// Requests that fill their last packet need one more, which is empty.
func TestRequestsOfEveryLengthArrive(t *testing.T) {
	r, _ := readerOf(t, newStick(t))
	digits := bytes.Repeat([]byte("7"), ikey.MaxPIN)
	for n := 2 * ikey.MinPIN; n <= 2*ikey.MaxPIN; n++ {
		old := digits[:n/2]
		pin := digits[:n-n/2]
		if err := r.ChangePIN(t.Context(), old, pin); !errors.Is(err, ikey.ErrBlank) {
			t.Errorf("PINs of %d digits together: %v, want %v", n, err, ikey.ErrBlank)
		}
	}
}

func TestAKeyOfAnotherVersionIsKnownAsOne(t *testing.T) {
	memory := folder.File{Folder: &folder.Memory{}, Name: "key"}
	if err := token.Format(memory); err != nil {
		t.Fatal(err)
	}
	c := contents()
	data, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	data[0]++
	if err := token.New(memory, rand.Reader).Write(ikey.SO, data, nil); err != nil {
		t.Fatal(err)
	}
	reader, _ := readerOf(t, stickOf(t, memory))
	if info, err := reader.Identify(t.Context()); err != nil || info.Kind != ikey.SO {
		t.Errorf("it says %+v, %v", info, err)
	}
	if _, err := reader.Read(t.Context(), nil); !errors.Is(err, ikey.ErrVersion) {
		t.Errorf("read: %v, want %v", err, ikey.ErrVersion)
	}
}
