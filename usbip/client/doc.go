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
// The client is strict. An answer that would make Linux's vhci driver drop the
// device, or harm it, ends the connection with an error that names the fault;
// so does an answer that contradicts an earlier one. [Device.Err] tells it.
//
// There is no reconnecting: when the connection ends, every pending URB ends with
// ESHUTDOWN, [Device.Gone] is closed, and the device must be imported again.
package client
