package lab

import (
	"slices"
	"strings"
	"testing"
)

func TestConsoleKeepsTheNewestBytes(t *testing.T) {
	var c console
	for range 3 {
		_, _ = c.Write([]byte(strings.Repeat("old\r\n", consoleLimit/10)))
	}
	_, _ = c.Write([]byte("last line\r\n"))
	if n := len(c.text); n > consoleLimit {
		t.Errorf("console keeps %d bytes, want at most %d", n, consoleLimit)
	}
	if got := c.tail(2); got != "old\nlast line" {
		t.Errorf("tail(2) = %q", got)
	}
}

func TestFindComplaints(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		want []string
	}{
		{
			"a normal attach and detach",
			`[    4.1] vhci_hcd vhci_hcd.0: pdev(0) rhport(0) sockfd(7)
[    4.2] usb 1-1: new high-speed USB device number 2 using vhci_hcd
[    4.3] usb 1-1: SetAddress Request (2) to port 0
[    4.4] usb 1-1: New USB device found, idVendor=1209, idProduct=0001, bcdDevice= 1.00
[    5.0] vhci_hcd: connection closed
[    5.1] usb 1-1: USB disconnect, device number 2`,
			nil,
		},
		{
			"a normal boot",
			`[    0.0] Warning: unrelated
[    0.1] BIOS-provided physical RAM map:
[    0.2] DEBUG options`,
			nil,
		},
		{
			"the same defect on the console and in the log counts once",
			"[    9.1] vhci_hcd: cannot find a urb of seqnum 5 max seqnum 9\n<3>[   10.2] vhci_hcd: cannot find a urb of seqnum 5 max seqnum 9\n",
			[]string{"vhci_hcd: cannot find a urb of seqnum 5 max seqnum 9"},
		},
		{"protocol", "[1.0] vhci_hcd: unknown pdu 9", []string{"vhci_hcd: unknown pdu 9"}},
		{"hung task", "INFO: task kworker/0:1 blocked for more than 30 seconds.", []string{"INFO: task kworker/0:1 blocked for more than 30 seconds."}},
		{"kernel bug", "[1.0] kernel BUG at mm/usercopy.c:101!", []string{"kernel BUG at mm/usercopy.c:101!"}},
		{"enumeration", "usb 1-1: device descriptor read/64, error -110", []string{"usb 1-1: device descriptor read/64, error -110"}},
		{"packet size", "usb 1-1: config 1 interface 0 altsetting 0 bulk endpoint 0x81 has invalid maxpacket 64", []string{"usb 1-1: config 1 interface 0 altsetting 0 bulk endpoint 0x81 has invalid maxpacket 64"}},
		{"no companion", "usb 2-1: No SuperSpeed endpoint companion for config 1  interface 0 altsetting 0 ep 1: using minimum values", []string{"usb 2-1: No SuperSpeed endpoint companion for config 1  interface 0 altsetting 0 ep 1: using minimum values"}},
		{"interval", "usb 2-1: Isoc endpoint with wBytesPerInterval of 9 in config 1 interface 0 altsetting 1 ep 130: setting to 1024", []string{"usb 2-1: Isoc endpoint with wBytesPerInterval of 9 in config 1 interface 0 altsetting 1 ep 130: setting to 1024"}},
		{"isochronous packets, of which usbtest lets a tenth fail", "usbtest 1-1:1.0: during the test, 1 errors out of 64", []string{"usbtest 1-1:1.0: during the test, 1 errors out of 64"}},
		{"a short read that usbtest only mentions", "usbtest 1-1:1.0: subtest 10 error, status 0", []string{"usbtest 1-1:1.0: subtest 10 error, status 0"}},
		{"control packet size", "usb 1-1: Invalid ep0 maxpacket: 64", []string{"usb 1-1: Invalid ep0 maxpacket: 64"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := findComplaints(c.text); !slices.Equal(got, c.want) {
				t.Errorf("findComplaints = %q, want %q", got, c.want)
			}
		})
	}
}
