package fault_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/usb"
)

// line is a listener with one connection, within the process.
type line struct{ near, far net.Conn }

func (l *line) Accept() (net.Conn, error) { return l.far, nil }
func (l *line) Close() error              { return l.far.Close() }
func (l *line) Addr() net.Addr            { return l.far.LocalAddr() }

// accept returns the two ends of a connection to which a script happens: that of
// the server and that of the host.
func accept(t *testing.T, script string) (server, host net.Conn, i *fault.Injector) {
	t.Helper()
	s, err := fault.Parse(script)
	if err != nil {
		t.Fatal(err)
	}
	i = fault.New(fault.Options{})
	if err := i.Load(s); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	server, err = i.Listener(&line{near, far}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); near.Close() })
	return server, near, i
}

// pieces reads what is written to the other end until it ends, and returns the
// lengths of the writes.
func pieces(host net.Conn) <-chan []int {
	out := make(chan []int, 1)
	go func() {
		var lengths []int
		buffer := make([]byte, 1<<16)
		for {
			n, err := host.Read(buffer)
			if err != nil {
				out <- lengths
				return
			}
			lengths = append(lengths, n)
		}
	}()
	return out
}

func TestSplitCutsWhatIsWrittenAndRead(t *testing.T) {
	server, host, _ := accept(t, "seed 1\nconnection: split 1..7 bytes")
	got := pieces(host)
	data := make([]byte, 10_000)
	if n, err := server.Write(data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	go func() {
		_, _ = host.Write(data[:100])
		host.Close()
	}()
	buffer := make([]byte, 100)
	for read := 0; ; {
		n, err := server.Read(buffer)
		if read += n; n > 7 {
			t.Errorf("a read of %d bytes", n)
		}
		if err != nil {
			if read != 100 {
				t.Errorf("%d bytes were read", read)
			}
			break
		}
	}
	lengths := <-got
	counts := map[int]int{}
	for _, n := range lengths {
		counts[n]++
	}
	for n := 1; n <= 7; n++ {
		if counts[n] < 100 {
			t.Errorf("%d pieces of %d bytes", counts[n], n)
		}
	}
	if len(counts) != 7 {
		t.Errorf("pieces %v", counts)
	}
}

func TestSplitIsTheSameForTheSameSeed(t *testing.T) {
	run := func(script string) []int {
		server, host, _ := accept(t, script)
		got := pieces(host)
		_, _ = server.Write(make([]byte, 1000))
		server.Close()
		return <-got
	}
	one := run("seed 1\nconnection: split 1..100 bytes")
	if !slices.Equal(one, run("seed 1\nconnection: split 1..100 bytes")) || slices.Equal(one, run("seed 2\nconnection: split 1..100 bytes")) {
		t.Error("the seed does not decide")
	}
}

func TestBandwidthAndSlowReadersTakeTheirTime(t *testing.T) {
	for script, want := range map[string]time.Duration{
		"connection: bandwidth 10kB/s":                 time.Second,
		"connection: bandwidth 1MB/s":                  10 * time.Millisecond,
		"connection: slow-reader 1kB every 50ms":       500 * time.Millisecond,
		"connection: split 1 byte, bandwidth 10kB/s":   time.Second,
		"connection: bandwidth 100B/s, bandwidth 1B/s": 10_000 * time.Second, // the last one holds
	} {
		t.Run(script, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, host, _ := accept(t, script)
				got := pieces(host)
				began := time.Now()
				if n, err := server.Write(make([]byte, 10_000)); n != 10_000 || err != nil {
					t.Fatal(n, err)
				}
				if took := time.Since(began); took < want*9/10 || took > want*11/10 {
					t.Errorf("10 kB took %v, want %v", took, want)
				}
				server.Close()
				<-got
			})
		})
	}
}

func TestPauseEndsWithItsConnection(t *testing.T) {
	for name, end := range map[string]func(net.Conn){
		"close":    func(c net.Conn) { c.Close() },
		"deadline": func(c net.Conn) { _ = c.SetDeadline(time.Unix(1, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, host, _ := accept(t, "connection: slow-reader 1 byte every 1h")
				got := pieces(host)
				written := make(chan error)
				began := time.Now()
				go func() {
					_, err := server.Write([]byte("two"))
					written <- err
				}()
				synctest.Wait()
				end(server)
				if err := <-written; err == nil || time.Since(began) != 0 {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				host.Close()
				<-got
			})
		})
	}
}

func TestCutEndsAConnectionAfterSoManyBytes(t *testing.T) {
	server, host, _ := accept(t, "connection: cut after 10 bytes")
	go func() { _, _ = host.Write([]byte("four")) }()
	if _, err := io.ReadFull(server, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	got := pieces(host)
	if n, err := server.Write(make([]byte, 10)); n != 6 || !errors.Is(err, fault.ErrCut) || !strings.Contains(err.Error(), "10 bytes") {
		t.Errorf("%d bytes, %v", n, err)
	}
	if lengths := <-got; !slices.Equal(lengths, []int{6}) {
		t.Errorf("the host got %v", lengths)
	}
}

func TestConnectionsAreCountedAndOthersLeftAlone(t *testing.T) {
	i := fault.New(fault.Options{})
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	l := i.Listener(&line{near, far})
	accepted := func() net.Conn {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if accepted() != far {
		t.Error("a connection is wrapped without a script")
	}
	s, err := fault.Parse("connection nth 2: split 1 byte\non any: delay 1ms")
	if err != nil || i.Load(s) != nil {
		t.Fatal(err)
	}
	if accepted() != far {
		t.Error("the first connection is wrapped")
	}
	second := accepted()
	if second == far || second.(interface{ NetConn() net.Conn }).NetConn() != far {
		t.Error("the second connection is not wrapped, or hides what is below")
	}
	if accepted() != far {
		t.Error("the third connection is wrapped")
	}
	if r := i.Report().Rules[0]; r.Matched != 3 || r.Fired != 1 {
		t.Errorf("%+v", r)
	}
	i.Clear()
	go func() { _, _ = second.Write([]byte("whole")) }()
	if n, err := near.Read(make([]byte, 10)); n != 5 || err != nil {
		t.Errorf("after the script %d bytes, %v", n, err)
	}
}

// TestDeviceWorksOverABadConnection moves data through server and client while the
// connection is as bad as it may be without losing anything.
func TestDeviceWorksOverABadConnection(t *testing.T) {
	for _, script := range []string{
		"connection: split 1 byte",
		"connection: split 1..50 bytes, bandwidth 2MB/s",
		"connection: slow-reader 4kB every 1ms",
	} {
		t.Run(script, func(t *testing.T) {
			b := newBench(t, script)
			b.port.Disconnect()
			d, err := client.Import(t.Context(), serve(t, b.port, b.injector.Listener), busID)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			finish(d, setConfiguration())
			got := b.receive()
			data := bytes.Repeat([]byte("0123456789"), 300)
			b.send(string(data))
			if u := finish(d, out(string(data))); u.Status != usb.OK || <-got != string(data) {
				t.Errorf("OUT: %v, or other data", u.Status)
			}
			if u := finish(d, in(4096)); u.Status != usb.OK || !bytes.Equal(u.Buffer[:u.Actual], data) {
				t.Errorf("IN: %v, or other data", u.Status)
			}
		})
	}
}
