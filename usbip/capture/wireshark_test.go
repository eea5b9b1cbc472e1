package capture_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/capture/tshark"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// everything is a packet of every kind.
func everything(t testing.TB) []capture.Packet {
	packets := record(t, capture.Options{}, func(d *usb.Device, p usb.Port) {
		h := connect(t, p)
		usbtest.Control(h, usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8}, make([]byte, 18))
		configurationDescriptor(h)
		usbtest.Control(h, usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorString<<8 | 1}, make([]byte, 255))
		usbtest.Control(h, usb.Setup{RequestType: usb.DirIn | usb.RecipientEndpoint, Request: usb.GetStatus, Index: usbtest.BulkIn}, make([]byte, 2))
		usbtest.Control(h, usb.Setup{RequestType: 0xC0, Request: 0x55, Value: 0x1234, Index: 0x5678}, make([]byte, 9)) // stalls
		usbtest.Control(h, usb.Setup{RequestType: 0x40, Request: 0x56}, []byte("vendor data"))                         // too
		received := make(chan []byte)
		go func() { received <- usbtest.Receive(t.Context(), d) }()
		usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("hello"), Flags: usb.ZeroPacket})
		in := usbtest.Start(h, &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 4096), Flags: usb.ShortNotOK})
		if err := d.In(usbtest.BulkIn).Write(t.Context(), <-received); err != nil {
			t.Error(err)
		}
		<-in
		d.Out(usbtest.BulkOut).Halt()
		usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: make([]byte, 3000)})
		u := &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 8), Interval: 8}
		ended := usbtest.Start(h, u)
		p.Cancel(u)
		<-ended
		ended = usbtest.Start(h, &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 512)})
		d.Unplug()
		<-ended
		usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 512)}) // never on the bus
	})
	return append(packets, isochronous(3, 0x83, 0x03)...)
}

// isochronous returns the packets of transfers to those endpoints.
func isochronous(n int, endpoints ...uint8) []capture.Packet {
	var packets []capture.Packet
	for i, endpoint := range endpoints {
		descriptors := make([]usb.IsoPacket, n)
		for j := range descriptors {
			descriptors[j] = usb.IsoPacket{Offset: 8 * j, Length: 8, Actual: j}
		}
		begin := capture.Packet{
			ID: uint64(1000 + i), Event: capture.Submission, Type: usb.Isochronous, Endpoint: endpoint, Bus: 3, Device: 9,
			Status: capture.InProgress, Length: 8 * n, Packets: descriptors, Interval: 1, Frame: 77,
		}
		end := begin
		end.Event, end.Status, end.Length = capture.Completion, usb.OK, 3
		if data := make([]byte, 8*n); endpoint&usb.DirIn != 0 {
			end.Data = data[:18]
		} else {
			begin.Data = data
		}
		packets = append(packets, begin, end)
	}
	return packets
}

func TestWiresharkUnderstandsEveryKindOfPacket(t *testing.T) {
	packets := everything(t)
	for _, h := range []capture.Header{{}, {Snap: 70, Redacted: true}} {
		file := write(t, h, packets...)
		if bad := tshark.Complaints(t, file); len(bad) > 0 {
			t.Errorf("snap %d: Wireshark dislikes\n%s", h.Snap, strings.Join(bad, "\n"))
		}
	}
}

// Wireshark would say so if there was anything to dislike.
func TestWiresharkDislikesADescriptorThatIsCutShort(t *testing.T) {
	packets := record(t, capture.Options{}, func(_ *usb.Device, p usb.Port) {
		usbtest.Control(connect(t, p), usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8}, make([]byte, 18))
	})
	answer := &packets[len(packets)-1]
	answer.Data, answer.Length = answer.Data[:10], 10
	if bad := tshark.Complaints(t, write(t, capture.Header{}, packets...)); len(bad) != 1 {
		t.Errorf("Wireshark dislikes %q", bad)
	}
}

func TestWiresharkReadsTheFieldsThatWereWritten(t *testing.T) {
	packets := everything(t)
	rows := tshark.Fields(t, write(t, capture.Header{}, packets...), []string{
		"usb.urb_id", "usb.urb_type", "usb.transfer_type", "usb.endpoint_address", "usb.bus_id", "usb.device_address",
		"usb.urb_status", "usb.urb_len", "usb.bmRequestType", "usb.setup.wLength", "usb.capdata",
	})
	if len(rows) != len(packets) {
		t.Fatalf("Wireshark sees %d packets of %d", len(rows), len(packets))
	}
	for i, row := range rows {
		if want := fieldsOf(&packets[i]); !slices.Equal(row[:8], want) {
			t.Errorf("packet %d: Wireshark reads %q, written was %q", i+1, row[:8], want)
		}
		if s := packets[i].Setup; s != nil && (!sameNumber(row[8], int(s.RequestType)) || !sameNumber(row[9], int(s.Length))) {
			t.Errorf("packet %d: Wireshark reads the setup packet as %q", i+1, row[8:])
		}
		if p := packets[i]; p.Type == usb.Bulk && len(p.Data) > 0 && row[10] != hex.EncodeToString(p.Data) {
			t.Errorf("packet %d: Wireshark reads the data as %q", i+1, row[10])
		}
	}
}

// fieldsOf returns the fields of p as Wireshark prints them.
func fieldsOf(p *capture.Packet) []string {
	kind := map[usb.EndpointType]string{usb.Isochronous: "0x00", usb.Interrupt: "0x01", usb.Control: "0x02", usb.Bulk: "0x03"}
	return []string{
		fmt.Sprintf("0x%016x", p.ID), fmt.Sprintf("'%c'", p.Event), kind[p.Type], fmt.Sprintf("0x%02x", p.Endpoint),
		strconv.Itoa(int(p.Bus)), strconv.Itoa(int(p.Device)), strconv.Itoa(int(p.Status)), strconv.Itoa(p.Length),
	}
}

// sameNumber reports whether text is n, decimal or hexadecimal.
func sameNumber(text string, n int) bool {
	got, err := strconv.ParseInt(text, 0, 64)
	return err == nil && int(got) == n
}

func TestWiresharkShowsGapsAndComments(t *testing.T) {
	file := write(t, capture.Header{}, capture.Packet{
		Event: capture.Submission, Type: usb.Bulk, Endpoint: usbtest.BulkOut, Comments: []string{capture.Unplugged},
	})
	if rows := tshark.Fields(t, file, []string{"frame.comment"}); len(rows) != 1 || rows[0][0] != capture.Unplugged {
		t.Errorf("Wireshark reads the comments %q", rows)
	}
}
