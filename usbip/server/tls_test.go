package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/socket/labca"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// authority makes certificates and returns what both sides need of them.
func authority(t testing.TB, plan labca.Plan) (ours, theirs *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	if err := labca.Write(dir, plan); err != nil {
		t.Fatal(err)
	}
	identity := func(name string) socket.Identity {
		return socket.Identity{
			Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key"), CA: filepath.Join(dir, "ca.pem"),
		}
	}
	ours, err := identity("server").Server()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = identity("client").Client()
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// record keeps a server's log.
type record struct {
	wrote chan struct{} // gets a token with a line

	mu   sync.Mutex
	text strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.wrote <- struct{}{}:
	default:
	}
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// serveTLS exports a device over TLS, or plainly with a nil config, and returns
// where, and the server's log.
func serveTLS(t testing.TB, config *tls.Config, options server.Options, p usb.Port) (addr string, log *record) {
	t.Helper()
	listener, err := socket.Listen(t.Context(), "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	log = &record{wrote: make(chan struct{}, 1)}
	options.Logger = slog.New(slog.NewTextHandler(log, nil))
	serveOn(t, listener, options, p)
	return listener.Addr().String(), log
}

// importOver imports the device of the server at addr.
func importOver(ctx context.Context, addr string, config *tls.Config) (*client.Device, error) {
	conn, err := socket.Dial(ctx, addr, config)
	if err != nil {
		return nil, err
	}
	return client.ImportConn(ctx, conn, busID)
}

func TestDataPassesOverTLS(t *testing.T) {
	ours, theirs := authority(t, labca.Plan{})
	device := usbtest.NewDevice(t)
	addr, _ := serveTLS(t, ours, server.Options{}, device)
	d, err := importOver(t.Context(), addr, theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	h := &host{d, t}
	h.control(usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil)
	got := make([]byte, 1<<20)
	if _, err := device.Out(usbtest.BulkOut).Read(t.Context(), got); !errors.Is(err, usb.ErrReset) {
		t.Fatalf("%v, want %v for the new configuration", err, usb.ErrReset)
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), len(got)/16)
	h.Submit(&usb.URB{Endpoint: usbtest.BulkOut, Buffer: sent, Flags: usb.ZeroPacket, Done: func(*usb.URB) {}})
	if n, err := device.Out(usbtest.BulkOut).Read(t.Context(), got); err != nil || !bytes.Equal(got[:n], sent) {
		t.Errorf("the device got %d bytes, %v", n, err)
	}
}

func TestTLSRefusalsSayWhyOnBothSides(t *testing.T) {
	ours, theirs := authority(t, labca.Plan{})
	otherOurs, otherTheirs := authority(t, labca.Plan{})
	past := labca.Plan{Begin: time.Now().Add(-2 * time.Hour), Valid: time.Hour}
	expiredOurs, expiredTheirs := authority(t, past)
	named := theirs.Clone()
	named.ServerName = "other.example"
	nameless := theirs.Clone()
	nameless.Certificates = nil
	old := theirs.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	trusting := func(config, whose *tls.Config) *tls.Config {
		config = config.Clone()
		config.RootCAs = whose.RootCAs
		return config
	}
	knowing := func(config, whose *tls.Config) *tls.Config {
		config = config.Clone()
		config.ClientCAs = whose.ClientCAs
		return config
	}
	for _, c := range []struct {
		name         string
		ours, theirs *tls.Config
		says, logs   string
	}{
		{"server of an unknown CA", otherOurs, theirs, "not from our CA", "does not know the CA|refuses our certificate"},
		{"server whose certificate is out of date", expiredOurs, trusting(theirs, expiredTheirs), "out of date", "refuses our certificate|out of date"},
		{"server of another name", ours, named, "for other names", "refuses our certificate"},
		{"host of an unknown CA", ours, trusting(otherTheirs, theirs), "does not know the CA", "not from our CA"},
		{"host whose certificate is out of date", knowing(ours, expiredOurs), trusting(expiredTheirs, theirs), "out of date|refuses our certificate", "out of date"},
		{"host without a certificate", ours, nameless, "wants a certificate", "no certificate"},
		{"host that speaks no TLS 1.3", ours, old, "TLS 1.3", "TLS 1.3"},
		{"plain host, TLS server", ours, nil, "does it want TLS", "does not speak TLS"},
		{"TLS host, plain server", nil, theirs, "does it speak TLS", "USB/IP version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, log := serveTLS(t, c.ours, server.Options{}, usbtest.NewDevice(t))
			d, err := importOver(t.Context(), addr, c.theirs)
			if err == nil {
				d.Close()
				t.Fatal("it was imported")
			}
			if c.theirs != nil && !errors.Is(err, socket.ErrTLS) || !saysOne(err.Error(), c.says) {
				t.Errorf("the host is told %q, want %q", err, c.says)
			}
			<-log.wrote
			if !saysOne(log.String(), c.logs) || !strings.Contains(log.String(), "host=127.0.0.1:") {
				t.Errorf("the server logs %q, want %q and who it was", log, c.logs)
			}
		})
	}
}

func saysOne(text, alternatives string) bool {
	for a := range strings.SplitSeq(alternatives, "|") {
		if strings.Contains(text, a) {
			return true
		}
	}
	return false
}

// TestPeersThatDoNotFinishTheHandshakeHurtNobody lets hosts be slow, silent and
// mad at a TLS server, and another one use the device all the while.
func TestPeersThatDoNotFinishTheHandshakeHurtNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := authority(t, labca.Plan{})
		theirs.ServerName = "localhost"
		const patience = 5 * time.Second
		var log journal
		listener := newPipes()
		options := server.Options{HandshakeTimeout: patience, MaxConnections: 20, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		serveOn(t, tls.NewListener(listener, ours), options, usbtest.NewDevice(t))
		d, err := client.ImportConn(t.Context(), tls.Client(listener.dial(t), theirs), busID)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		h := &host{d, t}

		var bad sync.WaitGroup
		for range 10 { // more than there is room for
			for _, say := range []func(net.Conn){
				func(net.Conn) {}, // nothing
				func(c net.Conn) { _, _ = c.Write([]byte{0x16}) },
				func(c net.Conn) { _, _ = c.Write([]byte{0x16, 3, 1, 0xff, 0xff}) },
				func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte{0xff}, 1<<16)) },
				func(c net.Conn) { _, _ = c.Write(proto.AppendImport(nil, busID)) },
				func(c net.Conn) {
					drip(c, append([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc}, make([]byte, 508)...), patience/20)
				},
			} {
				c := listener.dial(t)
				bad.Go(func() {
					defer c.Close()
					say(c)
					_, _ = io.Copy(io.Discard, c) // until the server has enough of it
				})
			}
		}
		ended := make(chan struct{})
		go func() { bad.Wait(); close(ended) }()
		for over := false; !over; {
			start := time.Now()
			h.control(usb.Setup{RequestType: usb.DirIn, Request: usb.GetConfiguration, Length: 1}, nil)
			if waited := time.Since(start); waited != 0 {
				t.Errorf("a request took %v, want no time at all", waited)
			}
			select {
			case <-ended:
				over = true
			case <-time.After(patience / 100):
			}
		}
		for _, why := range []string{"does not look like a TLS handshake", "timeout", "gave way"} {
			if len(log.lines(why)) == 0 {
				t.Errorf("the log tells of nobody: %s", why)
			}
		}
	})
}

// drip sends bytes one at a time.
func drip(c net.Conn, data []byte, pause time.Duration) {
	for i := range data {
		if _, err := c.Write(data[i : i+1]); err != nil {
			return
		}
		time.Sleep(pause)
	}
}
