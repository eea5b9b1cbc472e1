package ring

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"usbhsm7/ikey"
	"usbhsm7/usbip/usb"
)

func TestADamagedKeyStaysDamaged(t *testing.T) {
	ctx := t.Context()
	h := newHands(t)
	h.make("one")
	h.write("one", contents(1), nil)
	h.do(h.Damage("one"))
	h.do(h.Damage("one")) // twice is not as good as never
	h.do(h.Insert("one"))
	_, identified := h.device.Identify(ctx)
	_, read := h.device.Read(ctx, nil)
	for name, err := range map[string]error{
		"identify": identified, "read": read,
		"write": h.device.Write(ctx, contents(2), nil), "erase": h.device.Erase(ctx),
	} {
		if !errors.Is(err, ikey.ErrDamaged) {
			t.Errorf("%s: %v, want %v", name, err, ikey.ErrDamaged)
		}
	}
}

func TestAWornKeyTakesSoManyWrites(t *testing.T) {
	ctx := t.Context()
	h := newHands(t)
	h.make("one")
	h.do(h.Wear("one", 2))
	h.write("one", contents(1), nil)
	h.write("one", contents(2), nil)
	h.do(h.Insert("one"))
	if err := h.device.Write(ctx, contents(3), nil); !errors.Is(err, ikey.ErrWorn) {
		t.Errorf("the third write: %v, want %v", err, ikey.ErrWorn)
	}
	if got, err := h.device.Read(ctx, nil); err != nil || !equal(got, contents(2)) {
		t.Errorf("read %+v, %v", got, err)
	}
}

// transactions are what a device does with a key, and what the key holds when it
// is done. The key holds contents(1) before.
func transactions(d *ikey.Reader) map[string]struct {
	pin  []byte // before
	do   func(context.Context) error
	then ikey.Contents // the zero value: blank
} {
	return map[string]struct {
		pin  []byte
		do   func(context.Context) error
		then ikey.Contents
	}{
		"identify": {do: func(ctx context.Context) error { _, err := d.Identify(ctx); return err }, then: contents(1)},
		"read":     {do: func(ctx context.Context) error { _, err := d.Read(ctx, nil); return err }, then: contents(1)},
		"write":    {do: func(ctx context.Context) error { return d.Write(ctx, contents(2), nil) }, then: contents(2)},
		"erase":    {do: d.Erase},
		"take the PIN away": {
			pin: pin, do: func(ctx context.Context) error { return d.ChangePIN(ctx, pin, nil) }, then: contents(1),
		},
	}
}

// A key is pulled out after every byte of every transaction. The device is told,
// and the key holds what it held before or what it was to hold.
func TestAKeyThatIsPulledOutIsWhole(t *testing.T) {
	for name := range transactions(nil) {
		t.Run(name, func(t *testing.T) {
			h := newHands(t)
			h.make("one")
			transaction := transactions(h.device)[name]
			step, least := 1, 20
			if transaction.pin != nil { // trying a PIN takes its time
				step, least = 12, 3
			}
			if testing.Short() {
				step, least = 4*step, 1
			}
			old, done := 0, 0
			for after := 0; ; after += step {
				h.write("one", contents(1), transaction.pin)
				h.do(h.PullAfter("one", after))
				h.do(h.Insert("one"))
				err := transaction.do(t.Context())
				if err == nil {
					h.do(h.Remove())
					break
				}
				if !errors.Is(err, ikey.ErrRemoved) {
					t.Fatalf("after %d bytes: %v, want %v", after, err, ikey.ErrRemoved)
				}
				if h.InPort() != "" || h.port.Inside() != nil {
					t.Fatalf("after %d bytes: the key is still in the port", after)
				}
				h.do(h.PullAfter("one", 1<<20))
				h.do(h.Insert("one"))
				switch got := h.holds(transaction.pin); {
				case equal(got, transaction.then):
					done++
				case equal(got, contents(1)):
					old++
				default:
					t.Fatalf("after %d bytes the key holds %+v", after, got)
				}
				h.do(h.Remove())
			}
			if old+done < least {
				t.Errorf("the key was pulled out only %d times", old+done)
			}
		})
	}
}

// holds returns what the key in the port holds, with this PIN or with none.
func (h *hands) holds(pin []byte) ikey.Contents {
	h.t.Helper()
	info, err := h.device.Identify(h.t.Context())
	h.do(err)
	if info.Kind == ikey.Blank {
		return ikey.Contents{}
	}
	if !info.PIN {
		pin = nil
	}
	c, err := h.device.Read(h.t.Context(), pin)
	h.do(err)
	return c
}

func TestAKeyInThePortCanBePulledLater(t *testing.T) {
	h := newHands(t)
	h.make("one")
	h.do(h.Insert("one"))
	if _, err := h.device.Identify(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.do(h.PullAfter("one", 10))
	if _, err := h.device.Identify(t.Context()); !errors.Is(err, ikey.ErrRemoved) {
		t.Errorf("error %v, want %v", err, ikey.ErrRemoved)
	}
	if _, err := h.device.Identify(t.Context()); !errors.Is(err, ikey.ErrNoKey) {
		t.Errorf("error %v, want %v", err, ikey.ErrNoKey)
	}
}

// A packet passes whole or not at all.
func TestALeadBreaksBetweenPackets(t *testing.T) {
	for _, test := range []struct{ after, size, want int }{
		{0, 100, 0},
		{63, 100, 0},
		{64, 100, 64},
		{99, 100, 64},
		{100, 100, 100},
		{128, 200, 128},
	} {
		bus := &counter{}
		pulled := false
		l := newLead(bus, func() { pulled = true })
		l.breakAfter(test.after)
		u := &usb.URB{Endpoint: 1, Buffer: make([]byte, test.size), Done: func(*usb.URB) {}}
		l.Submit(u)
		whole := test.want == test.size
		if bus.bytes != test.want || u.Actual != test.want || pulled == whole || (u.Status == usb.OK) != whole {
			t.Errorf("%d bytes, pulled out after %d: %d arrived, %d reported as %v",
				test.size, test.after, bus.bytes, u.Actual, u.Status)
		}
	}
}

// What did not pass is not seen.
func TestNothingArrivesBeyondTheBreak(t *testing.T) {
	l := newLead(&sender{}, func() {})
	l.breakAfter(70)
	u := &usb.URB{Endpoint: usb.DirIn | 1, Buffer: make([]byte, 128), Done: func(*usb.URB) {}}
	l.Submit(u)
	want := append(bytes.Repeat([]byte{0xaa}, 64), make([]byte, 64)...)
	if u.Status != usb.ESHUTDOWN || u.Actual != 64 || !bytes.Equal(u.Buffer, want) {
		t.Errorf("%d bytes, %v: % x", u.Actual, u.Status, u.Buffer)
	}
}

// sender fills every request.
type sender struct{ ikey.Peripheral }

func (*sender) Submit(u *usb.URB) {
	for i := range u.Buffer {
		u.Buffer[i] = 0xaa
	}
	u.Complete(len(u.Buffer), usb.OK)
}

// counter takes everything.
type counter struct {
	ikey.Peripheral
	bytes int
}

func (c *counter) Submit(u *usb.URB) {
	c.bytes += len(u.Buffer)
	u.Complete(len(u.Buffer), usb.OK)
}
