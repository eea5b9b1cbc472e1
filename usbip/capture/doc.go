// Package capture records the URBs of a device in pcapng files that Wireshark
// reads, and reads such files back.
//
// A Tap stands between a host and a device and is a usb.Port itself. While
// nobody captures, a URB costs it one atomic load on either way and no
// allocation:
//
//	tap := capture.NewTap()
//	server.Export("1-1", tap.Port(device, capture.Place{Bus: 1, Device: 1}))
//
// Any number of captures may be under way at once, each with a sink of its own:
// a Writer for a stream, or Files for a run of files.
//
//	sink, err := capture.NewWriter(w, capture.Header{})
//	c := tap.Start(sink, capture.Options{})
//	...
//	statistics, err := c.Stop()
//
// A capture never holds the bus up. What its sink is too slow for is dropped and
// counted, and the file says so: in the packet that comes after the gap
// (epb_dropcount) and in the statistics of the interface (isb_ifdrop).
//
// # Format
//
// Packets have link type 220 (USB_LINUX_MMAPPED): the 64-byte header of Linux's
// usbmon (Documentation/usb/usbmon.rst), little-endian, the descriptors of an
// isochronous transfer, and the data. There is a packet for each submission
// ('S'), with the data of an OUT transfer, and one for each completion ('C'),
// with the data of an IN transfer. A URB that never reached the bus ends with an
// error ('E') instead. A cancelled URB completes with ECONNRESET. That a host
// came or left, or that the device was unplugged, is a comment of the packet
// that follows.
//
// # Secrets
//
// The package does not know what is secret in the data of a protocol. Whoever
// starts a capture hands in a function that does; see Options.Redact.
package capture
