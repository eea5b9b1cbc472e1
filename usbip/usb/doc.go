// Package usb is a USB peripheral in software: the vocabulary of USB
// (descriptors, setup packets, request blocks) and a device that answers them.
// It depends on the standard library only and knows nothing of networks.
//
// Two sides meet in a [Device].
//
// The function, which is the firmware behind the connector, builds the device
// with [NewDevice] and moves whole transfers:
//
//	device, err := usb.NewDevice(descriptors, handler)
//	n, err := device.Out(0x01).Read(ctx, buffer) // one transfer from the host
//	err = device.In(0x81).Write(ctx, answer)     // one transfer to the host
//
// The host side, which is a USB/IP server, a decorator or a test, drives the
// device through the [Port] interface with USB request blocks:
//
//	gone, err := device.Connect()
//	device.Submit(&usb.URB{Endpoint: 0x81, Buffer: make([]byte, 512), Done: finished})
//
// # Packets
//
// Endpoints behave as on a wire, packet by packet (USB 2.0 section 5.8.3). A
// transfer is a run of full packets of wMaxPacketSize bytes ended by a shorter
// one, which may be empty (a zero-length packet, ZLP). A URB is only room for
// packets: it ends when it is full or when a short packet arrives, so one
// transfer may fill several URBs. A packet larger than the room left is babble
// and ends the URB with [EOVERFLOW]. An endpoint whose function is not ready
// NAKs: the URB stays pending, for ever if need be, until it is cancelled.
//
// # Rules that every Port keeps
//
// Submit and Cancel never block. Done is called exactly once for each URB, with
// no lock held, possibly inside Submit or Cancel, and for one device in the
// order in which its URBs finished; it must not block. Actual never exceeds
// len(Buffer), whatever the device wanted to send.
//
// Devices run at full or high speed. Isochronous endpoints are refused by
// [NewDevice], and a URB that has Packets ends with [EPIPE].
package usb
