package oracle

import "fmt"

// Effect is what Linux's vhci driver does about a message.
type Effect int

// Effects, from the mildest.
const (
	Logged  Effect = iota + 1 // carries on: the message is odd, but the stream goes on
	Dropped                   // drops the connection, and with it the device
	Harmed                    // carries on where it should not: memory beyond a buffer is read or written
)

// String returns the name of e.
func (e Effect) String() string {
	names := [...]string{"kept", "logged", "dropped", "harmed"}
	return names[e]
}

// Rule is one rule that a server's messages have to keep.
type Rule struct {
	Name   string
	Effect Effect // of breaking it
	Source string // where the driver applies it
}

// The rules, with the functions of drivers/usb/usbip in Linux 6.1 and 6.12 that
// apply them. Those without a function are demands of the protocol document
// (Documentation/usb/usbip_protocol.rst) that the driver does not check.
var (
	UnknownCommand  = Rule{Name: "unknown command", Effect: Dropped, Source: "vhci_rx.c: vhci_rx_pdu"}
	BrokenOff       = Rule{Name: "message that breaks off", Effect: Dropped, Source: "vhci_rx.c: vhci_rx_pdu"}
	NotPending      = Rule{Name: "reply to a SUBMIT that is not pending", Effect: Dropped, Source: "vhci_rx.c: vhci_recv_ret_submit"}
	TooLong         = Rule{Name: "more data than asked for", Effect: Dropped, Source: "usbip_common.c: usbip_recv_xbuff"}
	NegativeLength  = Rule{Name: "negative length", Effect: Harmed, Source: "core/devio.c: copy_urb_data_to_user"}
	BadSum          = Rule{Name: "packets that do not add up to the length", Effect: Dropped, Source: "usbip_common.c: usbip_recv_iso"}
	PacketsInvented = Rule{Name: "more packets than submitted", Effect: Dropped, Source: "usbip_common.c: usbip_pack_ret_submit"}
	OutsidePlace    = Rule{Name: "packet outside its place", Effect: Harmed, Source: "usbip_common.c: usbip_pad_iso"}

	UnknownUnlink   = Rule{Name: "reply to an UNLINK that is not pending", Effect: Logged, Source: "vhci_rx.c: vhci_recv_ret_unlink"}
	EarlySuccess    = Rule{Name: "UNLINK succeeds while its victim is pending", Effect: Logged, Source: "vhci_rx.c: vhci_recv_ret_unlink"}
	Contradiction   = Rule{Name: "UNLINK cancels a victim that had ended", Effect: Logged, Source: "vhci_rx.c: vhci_recv_ret_unlink"}
	BadUnlinkStatus = Rule{Name: "UNLINK with a status other than 0 and ECONNRESET", Effect: Logged, Source: "usbip_protocol.rst"}
	PositiveStatus  = Rule{Name: "positive status", Effect: Logged, Source: "usbip_common.c: usbip_pack_ret_submit"}
	OutTooLong      = Rule{Name: "more data taken than sent", Effect: Logged, Source: "usbip_common.c: usbip_recv_xbuff"}
	NotIsochronous  = Rule{Name: "packets in the reply to a URB without any", Effect: Logged, Source: "usbip_common.c: usbip_recv_iso"}
	HeaderNotZero   = Rule{Name: "device, direction or endpoint in a reply", Effect: Logged, Source: "usbip_protocol.rst"}
	WithoutAnswer   = Rule{Name: "no answer at all", Effect: Logged, Source: "usbip_protocol.rst"}
	PacketsMissing  = Rule{Name: "fewer packets than submitted", Effect: Logged, Source: "usbip_common.c: usbip_pack_ret_submit"}
	PacketMoved     = Rule{Name: "packet that is not where it was submitted", Effect: Logged, Source: "usbip_common.c: usbip_pack_iso"}
	ErrorCount      = Rule{Name: "error count is not that of failed packets", Effect: Logged, Source: "usbip_common.c: usbip_pack_ret_submit"}
)

// Rules returns all of them.
func Rules() []Rule {
	return []Rule{
		UnknownCommand, BrokenOff, NotPending, TooLong, NegativeLength, BadSum, PacketsInvented, OutsidePlace,
		UnknownUnlink, EarlySuccess, Contradiction, BadUnlinkStatus, PositiveStatus, OutTooLong, NotIsochronous,
		HeaderNotZero, WithoutAnswer, PacketsMissing, PacketMoved, ErrorCount,
	}
}

// Breach is a rule broken by a message. It is an error.
type Breach struct {
	Rule
	Detail string
}

// Error tells the rule and the message.
func (b *Breach) Error() string {
	return fmt.Sprintf("vhci: %s (%v, %s): %s", b.Name, b.Effect, b.Source, b.Detail)
}

func breach(r Rule, format string, args ...any) *Breach {
	return &Breach{Rule: r, Detail: fmt.Sprintf(format, args...)}
}
