package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/client"
	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/vhci"
)

// patient is the machine that doctor examines, and what is known of it so far.
type patient struct {
	where where
	busID string
	bus   transport.Bus
	root  string // of the file system, in tests

	findings map[*check]finding
	exported []client.RemoteDevice // of the server, that are free
	onBus    []transport.Info      // devices on the USB bus
}

// path returns a file of the machine.
func (p *patient) path(elements ...string) string {
	return filepath.Join("/", p.root, filepath.Join(elements...))
}

func (p *patient) controller() vhci.Controller {
	return vhci.Controller{Sysfs: p.path("sys"), State: p.path("var/run/vhci_hcd")}
}

func ok(format string, args ...any) finding {
	return finding{Verdict: good, Says: fmt.Sprintf(format, args...)}
}

func missing(mend, format string, args ...any) finding {
	return finding{Verdict: bad, Says: fmt.Sprintf(format, args...), Mend: mend}
}

func worthKnowing(mend, format string, args ...any) finding {
	return finding{Verdict: note, Says: fmt.Sprintf(format, args...), Mend: mend}
}

// serverPatience is what a server may take for an answer.
const serverPatience = 5 * time.Second

func lookAtServer(ctx context.Context, p *patient) finding {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	config, err := p.where.secured()
	if err != nil {
		return missing("correct the flag or the environment variable", "%v", err)
	}
	conn, err := socket.Dial(ctx, p.where.usbip, config)
	if err == nil {
		p.exported, err = client.ListConn(ctx, conn)
	}
	switch {
	case errors.Is(err, socket.ErrNoServer):
		return missing("start a simulator there: usbhsm7 --ephemeral --listen "+p.where.usbip+"\nor say where one is: --usbip or HSM7_USBIP",
			"nobody listens at %s", p.where.usbip)
	case errors.Is(err, context.DeadlineExceeded):
		return missing("look whether the machine runs and whether a firewall lets TCP through", "%s does not answer", p.where.usbip)
	case err != nil:
		return missing("look at the server's log, and at --tls-cert, --tls-key and --tls-ca", "%v", err)
	}
	return ok("a USB/IP server answers at %s%s", p.where.usbip, map[bool]string{true: " over TLS"}[config != nil])
}

func lookAtExport(ctx context.Context, p *patient) finding {
	for _, d := range p.exported {
		if d.BusID == p.busID {
			return ok("%s (%04x:%04x) is free", d.BusID, d.Vendor, d.Product)
		}
	}
	err := p.importable(ctx)
	switch {
	case err == nil:
		return ok("%s is free", p.busID)
	case errors.Is(err, client.ErrBusy):
		return missing(p.freeing(), "%s is in use by another host", p.busID)
	case len(p.exported) > 0:
		var others []string
		for _, d := range p.exported {
			others = append(others, d.BusID)
		}
		return missing("choose another: --bus-id "+others[0], "the server has no %s, but %s", p.busID, strings.Join(others, ", "))
	}
	return missing("switch the device on (hsm7 sim power-on), or look at usbhsm7's log", "the server exports no device %s: %v", p.busID, err)
}

// importable asks for a device that the server does not list, which tells why it
// does not. A device that turns out to be free is given back at once.
func (p *patient) importable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	config, err := p.where.secured()
	if err != nil {
		return err
	}
	conn, err := socket.Dial(ctx, p.where.usbip, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = client.Handshake(ctx, conn, p.busID)
	return err
}

// freeing says how a device that is in use becomes free.
func (p *patient) freeing() string {
	ports, _ := p.controller().Ports() // none, if they cannot be read
	for _, port := range ports {
		if port.Address == p.where.usbip && port.BusID == p.busID {
			return fmt.Sprintf("it is attached here, at port %[1]d: use it with --via usb, or free it with sudo hsm7 detach %[1]d", port.Number)
		}
	}
	return "end the program that uses it, or detach it there (hsm7 detach)"
}

func lookAtLibusb(ctx context.Context, p *patient) finding {
	infos, err := p.bus.List(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return missing("where /dev/bus/usb is missing, as in a container, pass it in;\nan hsm7 without libusb has to be built anew, with cgo and libusb-1.0-0-dev", "%v", err)
	}
	if err != nil {
		return missing("run hsm7 as root, to see whether it is a matter of permissions", "%v", err)
	}
	p.onBus = infos
	return ok("libusb sees this machine's USB")
}

func lookAtBus(_ context.Context, p *patient) finding {
	if len(p.onBus) == 0 {
		return missing("plug one in, or attach one: sudo hsm7 attach", "no HSM is on the USB bus")
	}
	d := p.onBus[0]
	return ok("%04x:%04x at %s%s", d.Vendor, d.Product, d.Path, map[bool]string{true: ", serial number " + d.Serial}[d.Serial != ""])
}

const ruleHint = "sudo install -m 644 scripts/udev/70-usbhsm7.rules /etc/udev/rules.d/ && sudo udevadm control --reload\nthen plug the device in again, or run hsm7 as root"

func lookAtNode(_ context.Context, p *patient) finding {
	node, err := p.node(p.onBus[0].Path)
	if err != nil {
		return missing("it may have just left: look again", "%v", err)
	}
	f, err := os.OpenFile(node, os.O_RDWR, 0)
	switch {
	case err == nil:
		_ = f.Close() // nothing was written that this could lose
		return ok("%s can be opened", node)
	case errors.Is(err, fs.ErrPermission):
		return missing(ruleHint, "%s may not be opened by this user", node)
	case errors.Is(err, fs.ErrNotExist):
		return missing("pass /dev/bus/usb into the container", "%s is not there", node)
	}
	return missing("look at dmesg", "%v", err)
}

// node returns the device file of the device at a bus path.
func (p *patient) node(path string) (string, error) {
	var bus, number int
	for name, value := range map[string]*int{"busnum": &bus, "devnum": &number} {
		text, err := os.ReadFile(p.path("sys/bus/usb/devices", path, name))
		if err != nil {
			return "", err
		}
		if _, err := fmt.Sscan(string(text), value); err != nil {
			return "", fmt.Errorf("%s of %s: %w", name, path, err)
		}
	}
	return p.path(fmt.Sprintf("dev/bus/usb/%03d/%03d", bus, number)), nil
}

func lookAtRule(_ context.Context, p *patient) finding {
	for _, folder := range []string{"etc/udev/rules.d", "run/udev/rules.d", "usr/local/lib/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"} {
		if name := p.path(folder, "70-usbhsm7.rules"); exists(name) {
			return ok("%s lets ordinary users use a device", name)
		}
	}
	return worthKnowing(ruleHint, "not installed: only root may use a device on the bus")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func lookAtModule(_ context.Context, p *patient) finding {
	if err := p.controller().Available(); !errors.Is(err, vhci.ErrNoModule) {
		return ok("vhci_hcd is loaded")
	}
	release, err := os.ReadFile(p.path("proc/sys/kernel/osrelease"))
	if err != nil {
		return missing("attaching needs Linux; --via usbip does not", "this is no Linux: %v", err)
	}
	folder := p.path("lib/modules", strings.TrimSpace(string(release)))
	known, err := os.ReadFile(filepath.Join(folder, "modules.dep"))
	if err == nil && strings.Contains(string(known), "/vhci-hcd.ko") {
		return missing("sudo modprobe vhci-hcd\nat every boot: echo vhci-hcd | sudo tee /etc/modules-load.d/vhci-hcd.conf", "vhci_hcd is not loaded")
	}
	return missing("Debian has it in linux-image-amd64 (not in the cloud kernel), Ubuntu in linux-modules-extra-$(uname -r);\nin a container, load it on the host; --via usbip does without",
		"vhci_hcd is neither loaded nor in %s", folder)
}

func lookAtController(_ context.Context, p *patient) finding {
	err := p.controller().Available()
	switch {
	case err == nil:
		return ok("this user may attach devices")
	case errors.Is(err, vhci.ErrReadOnly):
		return missing("attach on the host, or run the container with --privileged", "sysfs is read-only here, as in a container")
	case errors.Is(err, vhci.ErrPermission):
		return missing("run hsm7 attach as root (sudo)", "this user may not attach devices")
	}
	return missing("look at dmesg", "%v", err)
}

func lookAtPorts(_ context.Context, p *patient) finding {
	ports, err := p.controller().AllPorts()
	if err != nil {
		return missing("this kernel's vhci_hcd is not known to hsm7; try usbip attach", "%v", err)
	}
	free, used := 0, 0
	for _, port := range ports {
		switch {
		case port.Status != vhci.StatusFree:
			used++
		case port.Hub == vhci.HighSpeedHub:
			free++
		}
	}
	if free == 0 {
		return missing("free one: hsm7 ports lists them, sudo hsm7 detach PORT frees one", "every port for devices of up to high speed is in use")
	}
	return ok("%d ports are free for devices of up to high speed, %d are in use", free, used)
}

func lookAtTool(context.Context, *patient) finding {
	for _, name := range []string{"usbip", "/usr/sbin/usbip"} {
		if found, err := exec.LookPath(name); err == nil {
			return ok("%s (not needed: hsm7 attach does without)", found)
		}
	}
	return worthKnowing("", "usbip is not installed; hsm7 attach does without")
}
