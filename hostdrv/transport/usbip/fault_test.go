package usbip_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hostdrvtest"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/transporttest"
	"usbhsm7/hostdrv/transport/usbip"
	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

// faulty is a device behind an injector of faults, exported on the loopback
// interface.
type faulty struct {
	address string // of the server
	bus     *usbip.Bus
	usb     *usb.Device
	faults  *fault.Injector
}

// serveFaulty switches a new device on, with a script, until the test ends.
func serveFaulty(t *testing.T, script string) *faulty {
	t.Helper()
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	d, err := device.New(device.Config{Flash: image, Serial: serial, Cost: auth.Quick, Path: new(peopletest.People)})
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{usb: d.USB(), faults: fault.New(fault.Options{Commands: device.MatchCommand})}
	f.load(t, script)
	port := f.faults.Port(d.USB())
	srv := server.New(server.Options{})
	if err := srv.Export(busID, port); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	f.bus = usbip.New(f.address)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, f.faults.Listener(listener)) }()
	t.Cleanup(func() {
		stop()
		err := <-served
		port.Close()
		if err := errors.Join(err, d.Close()); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *faulty) load(t *testing.T, script string) {
	t.Helper()
	s, err := fault.Parse(script)
	if err == nil {
		err = f.faults.Load(s)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// harmless are faults that a driver must not even notice.
var harmless = map[string]string{
	"late and out of order": `seed 1
		on bulk every 20: delay spikes 20% 20ms
		on any chance 20%: reorder behind 1 within 1ms
		on bulk: delay 0s..1ms
		on interrupt: delay 1ms
		on control: delay exponential 300us`,
	"in pieces on a slow line": `seed 3
		connection every 2: split 1..700 bytes
		connection: bandwidth 100MB/s
		connection every 3: slow-reader 64kB every 1ms`,
}

func TestConformanceUnderHarmlessFaults(t *testing.T) {
	t.Parallel()
	for name, script := range harmless {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transporttest.Run(t, func(t *testing.T) transporttest.Target {
				f := serveFaulty(t, script)
				return target(f.usb, f.bus)
			})
		})
	}
}

func TestDriverUnderHarmlessFaults(t *testing.T) {
	t.Parallel()
	scripts := maps.Clone(harmless)
	scripts["empty transfers"] = "on bulk every 3: zero-length" // which a transport passes on
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hostdrvtest.Run(t, func(t *testing.T) hostdrvtest.Target {
				f := serveFaulty(t, script)
				return hostdrvtest.Target{Bus: f.bus, Unplug: f.usb.Unplug, Plug: f.usb.Plug, Attended: true}
			})
		})
	}
}

// dial opens the device. Each HELLO waits for its answer until hello has passed.
func (f *faulty) dial(ctx context.Context, hello time.Duration) (*hostdrv.Device, error) {
	return hostdrv.Dial(ctx, f.bus, transport.Selector{}, hostdrv.Options{HelloTimeout: hello})
}

// patience bounds a call that must not need it; soon one that waits in vain.
const (
	patience = 2 * time.Minute
	soon     = 100 * time.Millisecond
)

// call makes one call, whose answer must be right if there is one.
func call(t *testing.T, dev *hostdrv.Device, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	data := bytes.Repeat([]byte("echo"), 500)
	got, err := dev.Echo(ctx, data)
	if err == nil && !bytes.Equal(got, data) {
		t.Error("an echo has other data")
	}
	return err
}

// TestWhatTheDriverSaysOfAFault has a device that was fine get a fault. The call
// that meets it fails with an error that is one of those expected and says what to
// do; none hangs, and none has wrong data. When the fault is over the device can be
// used again.
func TestWhatTheDriverSaysOfAFault(t *testing.T) {
	gone, broken, late := transport.ErrDisconnected, hostdrv.ErrProtocol, context.DeadlineExceeded
	for script, want := range map[string][]error{
		"on bulk-in nth 1: stall":                         {gone, transport.ErrHalted},
		"on bulk-in: stall":                               {gone, transport.ErrHalted},
		"on bulk-out nth 1: stall":                        {gone, transport.ErrHalted},
		"on bulk-out: stall once":                         {gone, transport.ErrHalted},
		"on bulk-in: nak":                                 {late},
		"on bulk-out: nak":                                {late},
		"on command echo: delay 10s":                      {late},
		"on bulk-in nth 1: short 0 bytes":                 {late},
		"on bulk-in nth 1: short 16 bytes":                {broken},
		"on bulk-in nth 1: short 512 bytes":               {broken},
		"on bulk-out nth 1: short 512 bytes":              {command.StatusTransmissionError, gone, io.ErrShortWrite},
		"on bulk-in nth 1: error EPROTO":                  {gone, usb.EPROTO},
		"on bulk-in nth 1: error EILSEQ after 512 bytes":  {gone, usb.EILSEQ},
		"on bulk-in nth 1: error ETIME":                   {gone, usb.ETIME},
		"on bulk-in nth 1: error EOVERFLOW":               {gone, transport.ErrOverrun},
		"on bulk-out nth 1: error EPROTO":                 {gone, usb.EPROTO},
		"on bulk-out nth 1: error ETIME after 1kB":        {gone, usb.ETIME},
		"on bulk-in nth 1: corrupt 1 bit within 0..31":    {broken},
		"on bulk-out nth 1: corrupt 9 bits within 0..31":  {broken},
		"on bulk-out nth 1: disconnect":                   {gone},
		"on bulk-out nth 2: disconnect after 1kB":         {gone},
		"on bulk-in nth 1: disconnect after 512 bytes":    {gone},
		"on command echo nth 3: disconnect":               {gone},
		"on bulk-out nth 1: reset":                        {gone},
		"on bulk-in nth 2: reset, delay 1ms":              {gone},
		"seed 5\non bulk chance 20%: error EPROTO":        {gone, usb.EPROTO},
		"on bulk-out nth 1: disconnect, plug after 100ms": {gone},
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			f := serveFaulty(t, "")
			dev, err := f.dial(t.Context(), patience)
			if err != nil {
				t.Fatal(err)
			}
			defer dev.Close()
			f.load(t, script)
			waiting, wait := slices.Contains(want, late), patience
			if waiting {
				wait = soon
			}
			for calls := 0; err == nil && calls < 100; calls++ {
				err = call(t, dev, wait)
			}
			if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
				t.Fatalf("the driver says %v, want one of %v", err, want)
			}
			refused := errors.Is(err, command.StatusTransmissionError)
			if !waiting && !refused && !strings.Contains(err.Error(), "reconnect") {
				t.Errorf("%q does not say what to do", err)
			}
			f.faults.Clear()
			if !waiting {
				if err := dev.Reconnect(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := call(t, dev, patience); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestOpeningADeviceThatFails meets faults from the very beginning.
func TestOpeningADeviceThatFails(t *testing.T) {
	gone := transport.ErrDisconnected
	for script, want := range map[string]error{
		"on bulk-out: nak":                              hostdrv.ErrNoAnswer,
		"on bulk-in: nak":                               hostdrv.ErrNoAnswer,
		"on bulk-in: stall":                             hostdrv.ErrNoAnswer,
		"on bulk-in: short 1 byte":                      hostdrv.ErrNoAnswer,
		"on bulk-out: stall":                            hostdrv.ErrNoAnswer,
		"on bulk-out: disconnect":                       gone,
		"on bulk-in: error EPROTO":                      usb.EPROTO,
		"on bulk-in: error EOVERFLOW":                   transport.ErrOverrun,
		"on bulk-out: error EILSEQ":                     usb.EILSEQ,
		"on control nth 1: stall":                       usb.EPIPE,
		"on control: disconnect":                        gone,
		"on control: nak":                               context.DeadlineExceeded,
		"connection nth 2: cut after 600 bytes":         gone,
		"connection: cut after 5 bytes":                 io.ErrUnexpectedEOF,
		"on setup request=06 value=0200: short 9 bytes": transport.ErrNotFound,
		"on control: delay 20ms":                        nil,
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			f := serveFaulty(t, script)
			wait, hello := patience, patience
			switch want {
			case context.DeadlineExceeded:
				wait = soon
			case hostdrv.ErrNoAnswer:
				hello = soon
			}
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			dev, err := f.dial(ctx, hello)
			if !errors.Is(err, want) {
				t.Errorf("the driver says %v, want %v", err, want)
			}
			if err == nil {
				dev.Close()
			}
			f.faults.Clear()
			dev, err = f.dial(t.Context(), patience)
			if err == nil {
				err = errors.Join(call(t, dev, patience), dev.Close())
			}
			if err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
