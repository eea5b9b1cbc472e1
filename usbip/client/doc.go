// Package client imports USB devices over USB/IP in user space. It needs no
// kernel support and no privileges.
//
//	devices, err := client.List(ctx, "127.0.0.1:3240")
//	device, err := client.Import(ctx, "127.0.0.1:3240", devices[0].BusID)
//	defer device.Close()
//	device.Submit(&usb.URB{Endpoint: 0x81, Buffer: make([]byte, 512), Done: finished})
//
// A [Device] takes URBs as a usb.Device does: Submit and Cancel never block,
// Done is called exactly once for each URB and must not block.
//
// The client is strict where Linux's vhci driver is: an answer with which a
// server would lose the device there, or harm the kernel, ends the connection
// with an error that names the fault, which [Device.Err] tells. What that driver
// lets pass, the client lets pass too, because servers in use depend on it: the
// number of packets of a URB that is not isochronous, replies to UNLINKs that are
// unknown or contradict an earlier reply, and values in a result that no driver
// can use, which are cut to what is possible.
//
// There is no reconnecting: when the connection ends, every pending URB ends with
// ESHUTDOWN, [Device.Gone] is closed, and the device must be imported again.
package client
