package server_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// journal is a log that may be written and read at the same time.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) lines(with string) (list []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		if strings.Contains(line, with) {
			list = append(list, line)
		}
	}
	return list
}

// TestAFloodOfConnectionsDisturbsNobody opens a thousand connections that say
// nothing while a host uses its device. No transfer fails, and a new host is
// served at once. The log says who and why, but not a thousand times.
func TestAFloodOfConnectionsDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const flood = 1000
		var log journal
		options := server.Options{MaxConnections: 16, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		listener := newPipes()
		exporter := serveOn(t, listener, options, usbtest.NewDevice(t))
		if err := exporter.Export("1-2", usbtest.NewDevice(t)); err != nil {
			t.Fatal(err)
		}
		user := listener.dial(t)
		defer user.Close()
		user.importDevice()
		user.configure()
		start := time.Now()
		for range flood {
			silent := listener.dial(t)
			defer silent.Close()
			user.wantAlive() // one transfer for each connection
		}
		late := listener.dial(t)
		defer late.Close()
		late.importAs("1-2")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the transfers and the import of another device took %v, want no time at all", waited)
		}
		lines := log.lines("level=WARN")
		if len(lines) == 0 || len(lines) > 110 || !strings.Contains(lines[0], "host=pipe") || !strings.Contains(lines[0], "gave way to a newer connection") {
			t.Errorf("%d warnings, want some, but not as many as connections:\n%s", len(lines), strings.Join(lines, ""))
		}
		time.Sleep(10 * time.Second) // the others run into the deadline for the handshake
		lines = log.lines("left out before")
		if len(lines) == 0 {
			t.Error("the log does not say that it leaves out warnings")
		}
	})
}

// TestHostsThatBreakTheirSessionsDoNotFillTheLog has a thousand hosts that import
// the device and send nonsense: some are told of with who and why, the others are
// counted.
func TestHostsThatBreakTheirSessionsDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		listener := servePipes(t, server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, usbtest.NewDevice(t))
		sabotage := func() {
			r := listener.dial(t)
			defer r.Close()
			r.importDevice()
			r.send(make([]byte, proto.HeaderSize))
			r.wantDropped()
			synctest.Wait()
		}
		for range 1000 {
			sabotage()
		}
		lines := log.lines("level=WARN")
		if len(lines) == 0 || len(lines) > 110 || !strings.Contains(lines[0], "host=pipe busid="+busID) || !strings.Contains(lines[0], "command 0") {
			t.Errorf("%d warnings, want some, but not as many as hosts:\n%s", len(lines), strings.Join(lines, ""))
		}
		time.Sleep(10 * time.Second)
		sabotage()
		if lines = log.lines("left out before"); len(lines) == 0 {
			t.Error("the log does not say that it leaves out warnings")
		}
	})
}

// TestHostilePeersDisturbNobody lets hosts of other devices do their worst while
// a host uses its own. Its transfers are counted: none fails or waits.
func TestHostilePeersDisturbNobody(t *testing.T) {
	endless := func(messages ...[]byte) func(r *raw) {
		stream := bytes.Repeat(bytes.Join(messages, nil), 64)
		return func(r *raw) {
			for {
				if _, err := r.Write(stream); err != nil {
					return
				}
			}
		}
	}
	id := func(device uint32, message []byte) []byte {
		message[11] = byte(device)
		return message
	}
	peers := []struct {
		name   string
		attack func(r *raw)
	}{ // of devices 2, 3, ...
		{"never reads", endless(id(2, submit(1, 0x80, usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: 0x0100, Length: 18}, 18)))},
		{"never lets a URB end", func(r *raw) {
			for seq := range uint32(10000) {
				if _, err := r.Write(id(3, submit(seq, usbtest.BulkIn, usb.Setup{}, proto.MaxTransfer))); err != nil {
					return
				}
			}
		}},
		{"half a header", func(r *raw) { _, _ = r.Write(id(4, submit(1, usbtest.BulkIn, usb.Setup{}, 8))[:20]) }},
		{"half a payload", func(r *raw) {
			_, _ = r.Write(append(id(5, submit(1, usbtest.BulkOut, usb.Setup{}, 1<<20)), make([]byte, 1000)...))
		}},
		{"never says a thing", func(*raw) {}},
		{"cancels for ever", endless(id(7, submit(1, 0x85, usb.Setup{}, 8)), id(7, unlink(2, 1)))},
	}
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		exporter := serveOn(t, listener, server.Options{MaxPendingBytes: 32 << 20}, usbtest.NewDevice(t))
		user := listener.dial(t)
		defer user.Close()
		user.importDevice()
		user.configure()
		var attacks sync.WaitGroup
		defer attacks.Wait()
		for i, p := range peers {
			other := fmt.Sprintf("1-%d", i+2)
			if err := exporter.Export(other, usbtest.NewDevice(t)); err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			peer := listener.dial(t)
			defer peer.Close()
			peer.importAs(other)
			attacks.Go(func() { p.attack(peer) })
		}
		start := time.Now()
		for range 2000 {
			user.wantAlive()
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("2000 transfers took %v, want no time at all", waited)
		}
	})
}

// TestHostileHostsTakeNoMoreMemoryThanAllowed has hosts that ask for a thousand
// times as much as they may.
func TestHostileHostsTakeNoMoreMemoryThanAllowed(t *testing.T) {
	const limit = 4 << 20
	flood := map[string]func(seq uint32) []byte{
		"long IN URBs": func(seq uint32) []byte { return submit(seq, usbtest.BulkIn, usb.Setup{}, 1<<20) },
		"many packets": func(seq uint32) []byte {
			s := proto.Submit{Seq: seq, DevID: devID, In: true, Endpoint: 1, Packets: proto.MaxIsoPackets}
			return append(s.Append(nil), make([]byte, proto.MaxIsoPackets*proto.IsoPacketSize)...)
		},
		"tiny URBs":      func(seq uint32) []byte { return submit(seq, usbtest.BulkIn, usb.Setup{}, 1) },
		"refused URBs":   func(seq uint32) []byte { return submit(seq, 0x8e, usb.Setup{}, 0) },
		"UNLINKs":        func(seq uint32) []byte { return unlink(seq, seq+1<<20) },
		"URBs of no end": func(seq uint32) []byte { return submit(seq, usbtest.BulkOut, usb.Setup{}, 1<<20)[:proto.HeaderSize] },
	}
	for name, message := range flood {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				recorder := &oracle.Recorder{Port: usbtest.NewDevice(t)}
				r := servePipes(t, server.Options{MaxPendingBytes: limit}, recorder).dial(t)
				r.importDevice()
				r.configure()
				before := memory()
				var sending sync.WaitGroup
				sending.Go(func() {
					for seq := range uint32(4000) {
						if _, err := r.Write(message(seq)); err != nil {
							return
						}
					}
				})
				synctest.Wait()
				if used := memory() - before; used > 2*limit {
					t.Errorf("%d bytes, limit %d", used, limit)
				}
				if urbs, bytes := recorder.Most(); urbs > 1024 || bytes > limit {
					t.Errorf("%d URBs with %d bytes are pending, limit %d", urbs, bytes, limit)
				}
				r.Close()
				sending.Wait()
			})
		})
	}
}

// TestHalfOpenPeersGoAway: connections that stop in the handshake are closed when
// its time is up, and leave nothing behind.
func TestHalfOpenPeersGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := servePipes(t, server.Options{HandshakeTimeout: 5 * time.Second}, newScripted())
		request := proto.AppendImport(nil, busID)
		var peers []*raw
		for n := range len(request) {
			peer := listener.dial(t)
			defer peer.Close()
			if n > 0 {
				peer.send(request[:n])
			}
			peers = append(peers, peer)
		}
		start := time.Now()
		for _, peer := range peers {
			if rest, err := io.ReadAll(peer); len(rest) > 0 || err != nil {
				t.Errorf("% x, %v", rest, err)
			}
		}
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("closed after %v, want 5s", waited)
		}
	})
}
