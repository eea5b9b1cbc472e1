// Package vhci attaches remote USB devices to this machine's Linux kernel: it
// does what `usbip attach`, `usbip detach` and `usbip port` do, without those
// tools and without libudev.
//
//	port, err := vhci.Attach(ctx, "127.0.0.1:3240", "1-1")
//	port, err = vhci.Wait(ctx, port.Number) // until the kernel has enumerated it
//	err = vhci.Detach(port.Number)
//
// Linux never attaches a device again that went away. A [Supervisor] does:
//
//	err := vhci.Supervisor{Remote: vhci.Remote{Address: "unix:/run/hsm.sock", BusID: "1-1"}}.Run(ctx)
//
// It stands on [Controller.Hold], which also tells when a device is gone, and
// takes connections that a kernel cannot use itself, such as TLS.
//
// The kernel's module vhci_hcd emulates host controllers whose ports are USB/IP
// connections. It is driven through sysfs, under
// /sys/devices/platform/vhci_hcd.0: the files status, status.1, ... list the
// ports of each controller; a line "port sockfd devid speed" written to attach
// hands a connected socket to the kernel; a port number written to detach takes
// it away. All of it needs root, except listing. See
// Documentation/ABI/testing/sysfs-platform-usbip-vudc and drivers/usb/usbip of
// the kernel.
//
// Like the usbip tool, the package notes under /var/run/vhci_hcd where each
// port leads, so that `usbip port` and this package show each other's ports.
//
// The functions of the package act on this machine. [Controller] does the same
// for a sysfs elsewhere.
package vhci
