package server_test

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"usbhsm7/usbip/capture/tshark"
	"usbhsm7/usbip/client"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// wire is a connection of a client that keeps what went over it, in order, as a
// capture of a network interface would.
type wire struct {
	net.Conn

	mu       sync.Mutex
	segments []segment
	moved    *sync.Cond // of mu: there is one more
}

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c}
	w.moved = sync.NewCond(&w.mu)
	return w
}

// segment is bytes that went one way in one piece.
type segment struct {
	fromServer bool
	data       []byte
}

func (w *wire) Write(p []byte) (int, error) {
	w.add(segment{false, slices.Clone(p)})
	return w.Conn.Write(p)
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.add(segment{true, slices.Clone(p[:n])})
	}
	return n, err
}

func (w *wire) add(s segment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.segments = append(w.segments, s)
	w.moved.Broadcast()
}

// count returns how many segments went either way.
func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.segments)
}

// wait waits for a segment after the first n.
func (w *wire) wait(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.segments) <= n {
		w.moved.Wait()
	}
}

// pcap returns what went over the wire as a capture of TCP over IPv4.
func (w *wire) pcap(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	out := pcapgo.NewWriter(&file)
	if err := out.WriteFileHeader(65535, layers.LinkTypeIPv4); err != nil {
		t.Fatal(err)
	}
	sequence := map[bool]uint32{}
	at := time.Unix(1e9, 0)
	send := func(fromServer bool, flags layers.TCP, data []byte) {
		packet := datagram(t, fromServer, flags, sequence, data)
		info := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(packet), Length: len(packet)}
		if err := out.WritePacket(info, packet); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Millisecond)
	}
	send(false, layers.TCP{SYN: true}, nil)
	send(true, layers.TCP{SYN: true, ACK: true}, nil)
	send(false, layers.TCP{ACK: true}, nil)
	for _, s := range w.segments {
		for data := range slices.Chunk(s.data, 32<<10) { // what fits in a datagram
			send(s.fromServer, layers.TCP{ACK: true, PSH: true}, data)
		}
	}
	return file.Bytes()
}

const wirePort = 3240

// datagram returns an IPv4 datagram with a segment of the connection, and moves
// the sequence numbers on.
func datagram(t *testing.T, fromServer bool, tcp layers.TCP, sequence map[bool]uint32, data []byte) []byte {
	t.Helper()
	client, server := net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2)
	tcp.SrcPort, tcp.DstPort, tcp.Window = 50000, wirePort, 65535
	ip := layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: client, DstIP: server}
	if fromServer {
		tcp.SrcPort, tcp.DstPort = tcp.DstPort, tcp.SrcPort
		ip.SrcIP, ip.DstIP = server, client
	}
	tcp.Seq, tcp.Ack = sequence[fromServer], sequence[!fromServer]
	sequence[fromServer] += uint32(len(data))
	if tcp.SYN {
		sequence[fromServer]++
	}
	if err := tcp.SetNetworkLayerForChecksum(&ip); err != nil {
		t.Fatal(err)
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, &ip, &tcp, gopacket.Payload(data)); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// Wireshark's dissector for USB/IP, which somebody else wrote, follows a session
// from import to the end. It loses its place where answers share a segment, so
// the host does one thing at a time.
func TestWiresharkFollowsTheStream(t *testing.T) {
	device := usbtest.NewDevice(t)
	usbtest.Run(t, func(ctx context.Context) { echo(ctx, device) })
	addr, _ := serve(t, server.Options{}, device)
	plain, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(plain)
	imported, err := client.ImportConn(t.Context(), w, busID)
	if err != nil {
		t.Fatal(err)
	}
	session(t, imported, w)
	if err := imported.Close(); err != nil {
		t.Fatal(err)
	}
	file := w.pcap(t)
	as := []string{"-d", "tcp.port==3240,usbip"}
	if bad := tshark.Complaints(t, file, as...); len(bad) > 0 {
		t.Errorf("Wireshark dislikes\n%s", strings.Join(bad, "\n"))
	}
	checkStream(t, tshark.Fields(t, file, []string{"usbip.urb", "usbip.iso.num_of_packets"}, as...))
}

// session is one of each: descriptors, a stall, bulk both ways, a cancellation.
func session(t *testing.T, d *client.Device, w *wire) {
	t.Helper()
	do := func(u *usb.URB) {
		done := make(chan struct{})
		u.Done = func(*usb.URB) { close(done) }
		d.Submit(u)
		<-done
	}
	get := usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8, Length: 18}
	do(&usb.URB{Endpoint: usb.DirIn, Setup: get, Buffer: make([]byte, 18)})
	get.Value, get.Length = usb.DescriptorConfiguration<<8, 255
	do(&usb.URB{Endpoint: usb.DirIn, Setup: get, Buffer: make([]byte, 255)})
	do(&usb.URB{Setup: usb.Setup{Request: usb.SetConfiguration, Value: 1}})
	do(&usb.URB{Endpoint: usb.DirIn, Setup: usb.Setup{RequestType: 0xC0, Request: 1, Length: 4}, Buffer: make([]byte, 4)})
	for _, size := range []int{1, 512, 5000} {
		do(&usb.URB{Endpoint: usbtest.BulkOut, Buffer: make([]byte, size), Flags: usb.ZeroPacket})
		do(&usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 8192)})
	}
	before := w.count() // all that came before is through: each URB was answered
	parked := &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 64)}
	done := make(chan struct{})
	parked.Done = func(*usb.URB) { close(done) }
	d.Submit(parked)
	w.wait(before) // so that the UNLINK goes in a segment of its own
	d.Cancel(parked)
	<-done
}

// checkStream checks that Wireshark saw the messages of session.
func checkStream(t *testing.T, rows [][]string) {
	t.Helper()
	seen := map[string]int{}
	for _, row := range rows {
		if row[0] == "" {
			continue // no USB/IP: the handshake of TCP, or the import
		}
		seen[row[0]]++
		if row[1] != "" && row[1] != "0" {
			t.Errorf("message %v has a packet count", row)
		}
	}
	want := map[string]int{"0x00000001": 11, "0x00000003": 10, "0x00000002": 1, "0x00000004": 1}
	for command, n := range want {
		if seen[command] != n {
			t.Errorf("Wireshark sees %d messages %s, want %d (all: %v)", seen[command], command, n, seen)
		}
	}
}
