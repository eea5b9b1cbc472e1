// Package usb is a USB peripheral in software: the vocabulary of USB
// (descriptors, setup packets, request blocks) and a device that answers them.
// It depends on the standard library only and knows nothing of networks.
//
// Two sides meet in a [Device].
//
// The function, which is the firmware behind the connector, builds the device
// with [NewDevice] and moves whole transfers, or supplies and takes the packets
// of isochronous endpoints:
//
//	device, err := usb.NewDevice(descriptors, handler)
//	n, err := device.Out(0x01).Read(ctx, buffer) // one transfer from the host
//	err = device.In(0x81).Write(ctx, answer)     // one transfer to the host
//	err = device.Source(0x82, nextPacket)        // for every isochronous packet
//
// The host side, which is a USB/IP server, a decorator or a test, drives the
// device through the [Port] interface with USB request blocks:
//
//	gone, err := device.Connect()
//	device.Submit(&usb.URB{Endpoint: 0x81, Buffer: make([]byte, 512), Done: finished})
//
// # Packets
//
// Bulk and interrupt endpoints behave as on a wire, packet by packet (USB 2.0
// section 5.8.3). A transfer is a run of full packets of wMaxPacketSize bytes
// ended by a shorter one, which may be empty (a zero-length packet, ZLP). A URB
// is only room for packets: it ends when it is full or when a short packet
// arrives, so one transfer may fill several URBs. A packet larger than the room
// left is babble and ends the URB with [EOVERFLOW]. An endpoint whose function is
// not ready NAKs: the URB stays pending, for ever if need be, until it is
// cancelled.
//
// # Isochronous packets
//
// An isochronous endpoint moves one packet in each of its service intervals, on
// time or not at all (USB 2.0 section 5.6). There is no NAK, no halt and no
// transfer of several packets. A URB asks for as many intervals as it has
// [IsoPacket]s, each with a place in the buffer and a result of its own. It is
// carried out while it is submitted, by the function's callbacks, and succeeds
// whatever becomes of its packets. No clock paces it: the time of the bus is
// counted by the intervals that were used, and URB.StartFrame tells it.
//
// # Rules that every Port keeps
//
// Submit and Cancel never block. Done is called exactly once for each URB, with
// no lock held, possibly inside Submit or Cancel, and for one device in the
// order in which its URBs finished; it must not block. Actual never exceeds
// len(Buffer), whatever the device wanted to send, and of an isochronous URB it
// is the sum over its packets.
//
// # Speeds
//
// Descriptors.Speed is that of the connection: full, high or super. It decides
// which packet sizes an [Endpoint] may have, and at SuperSpeed brings the
// descriptors and requests of USB 3.2 chapter 9. A device has one speed for life;
// for a high-speed one the descriptors of what it would be at full speed are
// derived. Low speed is refused: it has no bulk endpoints.
package usb
