package fault_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

const busID = "1-1"

// serve exports p until the test ends, with the connections of wrap, and returns
// the address.
func serve(t testing.TB, p usb.Port, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if wrap != nil {
		l = wrap(l)
	}
	s := server.New(server.Options{})
	if err := s.Export(busID, p); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return address
}

// spoilt imports a device over a connection that a script spoils.
func spoilt(t *testing.T, address, script string) (*client.Device, error) {
	t.Helper()
	s, err := fault.Parse(script)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	d, err := fault.Import(t.Context(), conn, busID, s)
	if err == nil {
		t.Cleanup(func() { d.Close() })
	}
	return d, err
}

// finish submits u and returns it when it has ended.
func finish(d *client.Device, u *usb.URB) *usb.URB {
	done := make(chan struct{})
	u.Done = func(*usb.URB) { close(done) }
	d.Submit(u)
	<-done
	return u
}

func getConfiguration() *usb.URB {
	return &usb.URB{Endpoint: 0x80, Buffer: make([]byte, 1), Setup: usb.Setup{
		RequestType: usb.DirIn, Request: usb.GetConfiguration, Length: 1,
	}}
}

func setConfiguration() *usb.URB {
	return &usb.URB{Setup: usb.Setup{Request: usb.SetConfiguration, Value: 1}}
}

func TestOurClientNoticesEveryFaultThatWouldHarmAKernel(t *testing.T) {
	for script, says := range map[string]string{
		"duplicate":       "which is not pending",
		"wrong-number":    "which is not pending",
		"overlong":        "2 bytes, asked for 1",
		"negative-length": "with -1 bytes",
		"unknown-message": "unknown command 9",
		"truncate":        "closed the connection",
	} {
		t.Run(script, func(t *testing.T) {
			d, err := spoilt(t, serve(t, usbtest.NewDevice(t), nil), "on control-in nth 2: "+script)
			if err != nil {
				t.Fatal(err)
			}
			finish(d, setConfiguration())
			if u := finish(d, getConfiguration()); u.Status != usb.OK || u.Buffer[0] != 1 {
				t.Errorf("before the fault: %v", u.Status)
			}
			finish(d, getConfiguration())
			<-d.Gone()
			malformed := script != "truncate"
			if err := d.Err(); errors.Is(err, proto.ErrMalformed) != malformed || !strings.Contains(err.Error(), says) {
				t.Errorf("the client says %v", err)
			}
		})
	}
	t.Run("out-payload of an OUT transfer", func(t *testing.T) {
		d, err := spoilt(t, serve(t, usbtest.NewDevice(t), nil), "on control-out nth 1: out-payload")
		if err != nil {
			t.Fatal(err)
		}
		finish(d, setConfiguration())
		<-d.Gone()
		if err := d.Err(); !errors.Is(err, proto.ErrMalformed) {
			t.Errorf("the client says %v", err)
		}
	})
}

func TestPositiveStatusEndsATransferAsAFailure(t *testing.T) {
	d, err := spoilt(t, serve(t, usbtest.NewDevice(t), nil), "on control-in nth 1: positive-status\non control-in nth 2: out-payload")
	if err != nil {
		t.Fatal(err)
	}
	finish(d, setConfiguration())
	if u := finish(d, getConfiguration()); u.Status != usb.EPROTO {
		t.Errorf("%v", u.Status)
	}
	if u := finish(d, getConfiguration()); u.Status != usb.OK { // an IN transfer has its payload anyway
		t.Errorf("%v", u.Status)
	}
}

func TestReplyThatIsLostLeavesItsTransferPendingUntilItIsCancelled(t *testing.T) {
	d, err := spoilt(t, serve(t, usbtest.NewDevice(t), nil), "on control-in: lose")
	if err != nil {
		t.Fatal(err)
	}
	finish(d, setConfiguration())
	u, done := getConfiguration(), make(chan struct{})
	u.Done = func(*usb.URB) { close(done) }
	d.Submit(u)
	finish(d, setConfiguration()) // answered later than u was
	select {
	case <-done:
		t.Fatalf("the transfer ended with %v", u.Status)
	default:
	}
	d.Cancel(u)
	<-done
	if u.Status != usb.ECONNRESET || u.Actual != 0 || d.Err() != nil {
		t.Errorf("%v with %d bytes, %v", u.Status, u.Actual, d.Err())
	}
}

func TestImportTakesNothingButFaultsOfReplies(t *testing.T) {
	address := serve(t, usbtest.NewDevice(t), nil)
	for script, says := range map[string]string{
		"on any: stall":                          "is for Injector.Load",
		"connection: cut after 1 byte":           "is for Injector.Load",
		"on any: lose, delay 1ms":                "is for Injector.Load",
		"on bulk: lose":                          "does not tell the type",
		"on endpoint 01 command sign: duplicate": "no commands",
	} {
		if _, err := spoilt(t, address, script); !errors.Is(err, fault.ErrScript) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestInjectorRefusesWhatWouldHarmAKernel(t *testing.T) {
	i := fault.New(fault.Options{})
	s, err := fault.Parse("on any: stall")
	if err != nil || i.Load(s) != nil {
		t.Fatal(err)
	}
	for _, word := range []string{
		"lose", "duplicate", "wrong-number", "overlong", "out-payload", "negative-length", "positive-status", "unknown-message", "truncate",
	} {
		s, err := fault.Parse("\non any: stall\non bulk-in: " + word)
		if err != nil {
			t.Fatal(err)
		}
		err = i.Load(s)
		if !errors.Is(err, fault.ErrForbidden) || !strings.Contains(err.Error(), `line 3: "`+word+`" would drop the device`) {
			t.Errorf("%s: %v", word, err)
		}
	}
	if r := i.Report(); len(r.Rules) != 1 {
		t.Errorf("the script before is gone: %+v", r)
	}
}
