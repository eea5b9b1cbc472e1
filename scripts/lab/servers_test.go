//go:build lab

package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"usbhsm7/scripts/lab"
	"usbhsm7/usbip/client"
	"usbhsm7/usbip/usb"
)

// The kernel's own servers: usbipd with the driver usbip-host exports devices of
// the machine, here ones that QEMU emulates; usbipd --device exports gadgets.
const (
	hostPort   = 3240
	gadgetPort = 3241
)

// serverChecks show that the project's client gets on with servers that others
// wrote. They stay clear of unlink storms, which crash usbip-host.
var serverChecks = []check{
	{"usbip-host lists its devices", listedByKernel},
	{"usbip-host hands a device to one client at a time", importedFromKernel},
	{"descriptors come through usbip-host as they are", kernelDescriptors},
	{"a disk behind usbip-host is read and written", kernelDisk},
	{"a stall behind usbip-host is cleared", kernelStall},
	{"a serial line behind usbip-host carries bytes both ways", kernelSerial},
	{"a pending URB behind usbip-host is cancelled", kernelCancel},
	{"usbip-host takes a device away from its client", kernelUnbind},
	{"usbip-vudc lists its gadget and hands it to one client at a time", gadgetImport},
	{"a gadget behind usbip-vudc sends and takes data", gadgetData},
	{"a halt behind usbip-vudc is cleared", gadgetHalt},
	{"pending URBs behind usbip-vudc are cancelled", gadgetCancel},
	{"URBs behind usbip-vudc end while they are cancelled", gadgetRace},
	{"usbip-vudc takes its gadget away from its client", gadgetUnplug},
}

// clientLeft is what usbip-host says whenever a client closes its connection.
var clientLeft = regexp.MustCompile(`^usbip-host \S+: recv a header, 0$`)

// serverMachine has a disk, a serial line and a tablet on an xHCI controller.
func serverMachine(t *testing.T, folder string) lab.Config {
	if err := os.WriteFile(filepath.Join(folder, "disk"), diskImage(), 0o600); err != nil {
		t.Fatal(err)
	}
	return lab.Config{
		Modules: []string{"xhci_pci", "usbip_host", "usbip_vudc", "usb_f_ss_lb"},
		Ports:   []int{hostPort, gadgetPort},
		Hardware: []string{
			"-device", "qemu-xhci",
			"-drive", "if=none,id=disk,format=raw,file=" + filepath.Join(folder, "disk"),
			"-device", "usb-storage,drive=disk,serial=" + serial,
			"-chardev", "socket,id=line,server=on,wait=off,path=" + filepath.Join(folder, "line"),
			"-device", "usb-serial,chardev=line,always-plugged=on",
			"-device", "usb-tablet",
		},
	}
}

const diskBlocks = 2048

// diskImage returns a disk of which no two blocks are alike.
func diskImage() []byte {
	image := make([]byte, 0, diskBlocks*blockSize)
	for i := range diskBlocks {
		image = append(image, bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), blockSize/8)...)
	}
	return image
}

// emulated is a device by its vendor and product.
type emulated struct{ vendor, product uint16 }

var (
	disk   = emulated{0x46f4, 0x0001}
	line   = emulated{0x0403, 0x6001}
	tablet = emulated{0x0627, 0x0001}
)

// exported has usbip-host export the device, and returns the server's address
// and the device's bus ID. It is taken back when the test ends.
func (b *bench) exported(ctx context.Context, t *testing.T, e emulated) (address, busID string) {
	t.Helper()
	busID, err := b.Bind(ctx, e.vendor, e.product)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Unbind(context.Background(), busID) }) // a check may have done so
	if err := b.Serve(ctx, hostPort, lab.BoundDevices); err != nil {
		t.Fatal(err)
	}
	return b.Address(hostPort), busID
}

// listed returns what the server lists under a bus ID.
func listed(ctx context.Context, t *testing.T, address, busID string) (client.RemoteDevice, bool) {
	t.Helper()
	list, err := client.List(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(d client.RemoteDevice) bool { return d.BusID == busID })
	if i < 0 {
		return client.RemoteDevice{}, false
	}
	return list[i], true
}

func listedByKernel(ctx context.Context, t *testing.T, b *bench) string {
	for e, speed := range map[emulated]usb.Speed{disk: usb.SpeedSuper, line: usb.SpeedFull, tablet: usb.SpeedHigh} {
		address, busID := b.exported(ctx, t, e)
		d, ok := listed(ctx, t, address, busID)
		if got := (emulated{d.Vendor, d.Product}); !ok || got != e || d.Speed != speed {
			t.Errorf("%s is listed as %+v (%t), want %04x at %s speed", busID, d, ok, e, speed)
		}
	}
	return "super, high and full speed"
}

func importedFromKernel(ctx context.Context, t *testing.T, b *bench) string {
	address, busID := b.exported(ctx, t, disk)
	if _, err := client.Import(ctx, address, "9-9"); !errors.Is(err, client.ErrNoDevice) {
		t.Errorf("import of a device that is not there: %v, want %v", err, client.ErrNoDevice)
	}
	first := importDevice(ctx, t, address, busID)
	if _, err := client.Import(ctx, address, busID); !errors.Is(err, client.ErrBusy) {
		t.Errorf("second import: %v, want %v", err, client.ErrBusy)
	}
	if d, ok := listed(ctx, t, address, busID); ok {
		t.Errorf("the device in use is listed: %+v", d)
	}
	first.descriptors() // it goes on working
	first.Close()
	b.awaitFree(ctx, t, busID)
	importDevice(ctx, t, address, busID).descriptors()
	return "second import refused, device free after the first client left"
}

// awaitFree waits until usbip-host has taken a device back from a client that
// left (SDEV_ST_AVAILABLE).
func (b *bench) awaitFree(ctx context.Context, t *testing.T, busID string) {
	t.Helper()
	b.run(ctx, t, "sh", "-c", "until grep -q 1 /sys/bus/usb/devices/"+busID+"/usbip_status; do sleep 0.02; done")
}

func kernelDescriptors(ctx context.Context, t *testing.T, b *bench) string {
	total := 0
	for _, e := range []emulated{disk, line, tablet} {
		address, busID := b.exported(ctx, t, e)
		want, err := b.Get(ctx, path.Join("/sys/bus/usb/devices", busID, "descriptors"))
		if err != nil {
			t.Fatal(err)
		}
		h := importDevice(ctx, t, address, busID)
		got := h.descriptors()
		if !bytes.Equal(got, want) {
			t.Errorf("%s: descriptors % x, the kernel has % x", busID, got, want)
		}
		if maker := h.text(got[14]); maker != "QEMU" {
			t.Errorf("%s: manufacturer %q", busID, maker)
		}
		total += len(got)
		h.Close()
	}
	return fmt.Sprintf("%d bytes the same as in sysfs", total)
}

func kernelDisk(ctx context.Context, t *testing.T, b *bench) string {
	address, busID := b.exported(ctx, t, disk)
	h := importDevice(ctx, t, address, busID)
	h.configure(1)
	if answer := h.scsi([]byte{0x12, 0, 0, 0, 36, 0}, 36); !bytes.Contains(answer, []byte("QEMU    QEMU HARDDISK")) {
		t.Errorf("INQUIRY: % x", answer)
	}
	const block, blocks = 100, 256 // 128 KiB
	if got := h.scsi(transferCommand(0x28, block, blocks), blocks*blockSize); !bytes.Equal(got, diskImage()[block*blockSize:][:blocks*blockSize]) {
		t.Error("blocks read differ from the image")
	}
	text := bytes.Repeat([]byte("written!"), blocks*blockSize/8)
	h.scsiWrite(transferCommand(0x2a, block, blocks), text)
	h.scsi([]byte{0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0) // SYNCHRONIZE CACHE(10)
	want := diskImage()
	copy(want[block*blockSize:], text)
	if got, err := os.ReadFile(filepath.Join(b.folder, "disk")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the image is not as written (%v)", err)
	}
	h.scsiWrite(transferCommand(0x2a, block, blocks), diskImage()[block*blockSize:][:blocks*blockSize])
	return fmt.Sprintf("%d KiB both ways", blocks*blockSize>>10)
}

func kernelStall(ctx context.Context, t *testing.T, b *bench) string {
	address, busID := b.exported(ctx, t, disk)
	h := importDevice(ctx, t, address, busID)
	const unknown = 0x77
	if u := h.do(get(usb.TypeVendor, unknown, 0, 0, 1)); u.Status != usb.EPIPE {
		t.Errorf("unknown request: %v, want %v", u.Status, usb.EPIPE)
	}
	h.configure(1)
	for _, u := range []*usb.URB{in(diskIn, 13), out(diskOut, []byte("no command"))} {
		if h.do(u); u.Status != usb.EPIPE {
			t.Errorf("endpoint %#02x: %v, want %v", u.Endpoint, u.Status, usb.EPIPE)
		}
		h.clearHalt(u.Endpoint)
		h.scsi([]byte{0x12, 0, 0, 0, 36, 0}, 36)
	}
	return "control, IN and OUT"
}

// Endpoints of the serial line, an FTDI FT232. What it sends begins with two
// bytes of modem status.
const (
	lineIn     = 0x81
	lineOut    = 0x02
	lineStatus = 2
)

func kernelSerial(ctx context.Context, t *testing.T, b *bench) string {
	address, busID := b.exported(ctx, t, line)
	h := importDevice(ctx, t, address, busID)
	h.configure(1)
	wire, err := net.Dial("unix", filepath.Join(b.folder, "line"))
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	const sent, answer = "to the line", "from the line"
	if u := h.must(out(lineOut, nil)); u.Actual != 0 {
		t.Errorf("zero-length transfer: %d bytes", u.Actual)
	}
	h.must(out(lineOut, []byte(sent)))
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(wire, got); err != nil || string(got) != sent {
		t.Errorf("the line got %q (%v), want %q", got, err, sent)
	}
	if _, err := io.WriteString(wire, answer); err != nil {
		t.Fatal(err)
	}
	var back []byte
	for len(back) < len(answer) {
		back = append(back, data(h.must(in(lineIn, 64)))[lineStatus:]...)
	}
	if string(back) != answer {
		t.Errorf("the line's answer arrives as %q, want %q", back, answer)
	}
	return "with a zero-length transfer before"
}

const tabletIn = 0x81

func kernelCancel(ctx context.Context, t *testing.T, b *bench) string {
	address, busID := b.exported(ctx, t, tablet)
	h := importDevice(ctx, t, address, busID)
	h.configure(1)
	const times = 10
	for range times {
		u := in(tabletIn, 8)
		wait := h.submit(u)
		h.descriptors() // the server has the URB
		h.Cancel(u)
		if wait(); u.Status != usb.ECONNRESET {
			t.Fatalf("the cancelled URB ended with %v (%v), want %v", u.Status, h.Err(), usb.ECONNRESET)
		}
	}
	return fmt.Sprintf("%d times", times)
}

func kernelUnbind(ctx context.Context, t *testing.T, b *bench) string {
	address, busID := b.exported(ctx, t, tablet)
	h := importDevice(ctx, t, address, busID)
	h.configure(1)
	wait := h.submit(in(tabletIn, 8))
	h.descriptors()
	if err := b.Unbind(ctx, busID); err != nil {
		t.Fatal(err)
	}
	if u := wait(); u.Status != usb.ESHUTDOWN {
		t.Errorf("the pending URB ended with %v, want %v", u.Status, usb.ESHUTDOWN)
	}
	<-h.Gone()
	if !errors.Is(h.Err(), client.ErrDisconnected) {
		t.Errorf("the device is gone with %v, want %v", h.Err(), client.ErrDisconnected)
	}
	if _, err := client.Import(ctx, address, busID); !errors.Is(err, client.ErrNoDevice) {
		t.Errorf("import: %v, want %v", err, client.ErrNoDevice)
	}
	return fmt.Sprint(h.Err())
}
