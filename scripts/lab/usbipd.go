package lab

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// What the kernel's server usbipd exports.
const (
	BoundDevices = ""         // devices of the guest that were bound to usbip-host, see Bind
	Gadgets      = "--device" // gadgets that are plugged into usbip-vudc
)

// Serve has usbipd export what kind says on a TCP port of the guest, unless
// something listens there already, and returns when it does.
func (m *Machine) Serve(ctx context.Context, port int, kind string) error {
	listening := fmt.Sprintf("grep -q ':%04X 00000000:0000 0A' /proc/net/tcp", port)
	_, err := m.Exec(ctx, "sh", "-c", fmt.Sprintf("%s || { usbipd %s -D -t %d; until %[1]s; do sleep 0.05; done; }", listening, kind, port))
	return err
}

// Bind hands the device of the guest that has these numbers to usbip-host, and
// returns its bus ID. It waits for the device to come.
func (m *Machine) Bind(ctx context.Context, vendor, product uint16) (busID string, err error) {
	search := fmt.Sprintf("grep -ls '^PRODUCT=%x/%x/' /sys/bus/usb/devices/*-*/uevent | grep -v :", vendor, product)
	found, err := m.Exec(ctx, "sh", "-c", "until "+search+"; do sleep 0.05; done")
	if err != nil {
		return "", err
	}
	busID = path.Base(path.Dir(strings.TrimSpace(found.Stdout)))
	_, err = m.Exec(ctx, "usbip", "bind", "-b", busID)
	return busID, err
}

// Unbind takes a device from usbip-host, and from the client that has it.
func (m *Machine) Unbind(ctx context.Context, busID string) error {
	_, err := m.Exec(ctx, "usbip", "unbind", "-b", busID)
	return err
}
