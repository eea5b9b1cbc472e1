// Package lab boots Debian's stock kernel in QEMU, without KVM and without root
// on the host, and runs programs in it. It is how the project shows that what
// it exports over USB/IP is a proper USB device to a real kernel and to the
// tools people use.
//
//	m, err := lab.Boot(ctx, lab.Config{})
//	defer m.Close()
//	r, err := m.Exec(ctx, "usbip", "--tcp-port", port, "list", "-r", lab.HostAddress)
//	complaints, err := m.Complaints(ctx)
//
// The guest has the kernel's modules that matter here, busybox, the stock usbip
// and lsusb, and whatever [Config.Files] adds. Its first process is a small Go
// program (scripts/lab/agent) that the host talks to (scripts/lab/protocol).
// The device under test stays outside, in the test process on 127.0.0.1, which
// the guest reaches as [HostAddress]: so the race detector, coverage and faults
// all work, and a test can always pull the plug.
//
// Everything has a deadline. A guest that hangs is killed, and a guest whose
// kernel panics ends at once; both errors carry the end of the console. QEMU
// dies with the process that started it.
//
// The tests of this package that boot a machine have the build tag lab.
package lab
