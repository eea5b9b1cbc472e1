// Package proto encodes and decodes the messages of USB/IP, version 1.1.1, as
// Linux's Documentation/usb/usbip_protocol.rst and its kernel and tools have them.
//
// A connection has two phases. In the handshake a client sends one request,
// either for the list of devices or to import one, and reads one answer: [Op],
// [Device] and the list of interfaces. After a successful import the connection
// carries URBs: every message begins with a header of exactly 48 bytes, [Submit]
// and [Unlink] from the client, [SubmitReply] and [UnlinkReply] from the server.
//
//	SUBMIT        header, then Length bytes if OUT, then 16 bytes for each isochronous packet
//	SUBMIT reply  header, then Actual bytes if the SUBMIT was IN, then the same packets
//	UNLINK, reply header only
//
// A reply says neither direction nor length of what it answers: the client must
// remember both to find the end of the reply.
//
// All integers are big-endian, except inside the eight setup bytes, which are
// as USB has them. Decoders check every length of a request against the limits
// below, so that a reader may allocate what they return; those of a reply are for
// the client to compare with its request. They never panic.
package proto

import "errors"

// Limits that decoders enforce.
const (
	// MaxTransfer is the largest buffer of one URB, in bytes.
	MaxTransfer = 16 << 20
	// MaxIsoPackets is the largest number of packets of one isochronous URB, the
	// same as in Linux.
	MaxIsoPackets = 1024
	// MaxDevices is the longest list of devices that a client reads.
	MaxDevices = 4096
)

// DefaultPort is the TCP port assigned to USB/IP.
const DefaultPort = 3240

// ErrMalformed says that a message breaks the protocol; the error that wraps it
// says how. The byte stream cannot be followed beyond such a message.
var ErrMalformed = errors.New("malformed USB/IP message")

// ErrVersion says that the other side speaks another version of USB/IP.
var ErrVersion = errors.New("other USB/IP version")
