package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/client"
)

// machine is a file system that doctor takes for a machine's.
type machine map[string]string

const (
	anyStatus = "hub port sta spd dev      sockfd local_busid\n"
	freePorts = anyStatus + "hs  0000 006 003 00010001 000007 1-1\nhs  0001 004 000 00000000 000000 0-0\nss  0002 004 000 00000000 000000 0-0\n"
	fullPorts = anyStatus + "hs  0000 006 003 00010001 000007 1-1\nss  0002 004 000 00000000 000000 0-0\n"
	vhciFiles = "sys/devices/platform/vhci_hcd.0/"
	release   = "6.1.0-56-amd64"
)

// emptyBus is a USB without devices.
type emptyBus struct{ transport.Bus }

func (emptyBus) List(context.Context) ([]transport.Info, error) { return nil, nil }

// brokenBus is a libusb that does not start.
type brokenBus struct{ transport.Bus }

func (brokenBus) List(context.Context) ([]transport.Info, error) { return nil, errors.ErrUnsupported }

// newPatient returns a patient with those files.
func newPatient(t *testing.T, m machine) *patient {
	t.Helper()
	p := &patient{busID: "1-1", bus: emptyBus{}, root: t.TempDir()}
	for name, content := range m {
		path := filepath.Join(p.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestDoctorFindsWhatAMachineLacks(t *testing.T) {
	onBus := func(p *patient) {
		p.onBus = []transport.Info{{Path: "1-2", Vendor: 0x1209, Product: 1, Serial: "7000001"}}
	}
	device := machine{"sys/bus/usb/devices/1-2/busnum": "1\n", "sys/bus/usb/devices/1-2/devnum": "23\n"}
	for _, c := range []struct {
		name    string
		look    func(context.Context, *patient) finding
		files   machine
		prepare func(*patient)
		want    verdict
		says    string // in what was found or how to mend it
	}{
		{"module loaded", lookAtModule, machine{vhciFiles + "attach": ""}, nil, good, "loaded"},
		{"module not loaded", lookAtModule, machine{
			"proc/sys/kernel/osrelease":               release + "\n",
			"lib/modules/" + release + "/modules.dep": "kernel/drivers/usb/usbip/vhci-hcd.ko: kernel/drivers/usb/usbip/usbip-core.ko\n",
		}, nil, bad, "sudo modprobe vhci-hcd"},
		{"kernel without the module", lookAtModule, machine{
			"proc/sys/kernel/osrelease":               release + "\n",
			"lib/modules/" + release + "/modules.dep": "kernel/fs/ext4/ext4.ko:\n",
		}, nil, bad, "linux-modules-extra"},
		{"no Linux", lookAtModule, nil, nil, bad, "needs Linux"},
		{"permission to attach", lookAtController, machine{vhciFiles + "attach": ""}, nil, good, "may attach"},
		{"a port is free", lookAtPorts, machine{vhciFiles + "status": freePorts}, nil, good, "1 ports are free"},
		{"no port is free", lookAtPorts, machine{vhciFiles + "status": fullPorts}, nil, bad, "hsm7 detach PORT"},
		{"status of an unknown kernel", lookAtPorts, machine{vhciFiles + "status": "?\n"}, nil, bad, "try usbip attach"},
		{"libusb", lookAtLibusb, nil, nil, good, "libusb"},
		{"no libusb", lookAtLibusb, nil, func(p *patient) { p.bus = brokenBus{} }, bad, "libusb-1.0-0-dev"},
		{"device on the bus", lookAtBus, nil, onBus, good, "1209:0001 at 1-2, serial number 7000001"},
		{"no device on the bus", lookAtBus, nil, nil, bad, "sudo hsm7 attach"},
		{"device file can be opened", lookAtNode, union(device, machine{"dev/bus/usb/001/023": ""}), onBus, good, "001/023"},
		{"no device file", lookAtNode, device, onBus, bad, "into the container"},
		{"device that has just left", lookAtNode, nil, onBus, bad, "look again"},
		{"udev rule", lookAtRule, machine{"usr/lib/udev/rules.d/70-usbhsm7.rules": ""}, nil, good, "ordinary users"},
		{"no udev rule", lookAtRule, nil, nil, note, "sudo install"},
		{"device in use on this machine", freeing, machine{
			vhciFiles + "status": freePorts, "var/run/vhci_hcd/port0": "192.0.2.1 3240 1-1\n",
		}, func(p *patient) { p.where.usbip = "192.0.2.1:3240" }, bad, "hsm7 detach 0"},
		{"device in use elsewhere", freeing, nil, nil, bad, "end the program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPatient(t, c.files)
			if c.prepare != nil {
				c.prepare(p)
			}
			f := c.look(t.Context(), p)
			if f.Verdict != c.want || !strings.Contains(f.Says+"\n"+f.Mend, c.says) {
				t.Errorf("%+v, want %q and the words %q", f, c.want, c.says)
			}
			if f.Verdict == bad && f.Mend == "" {
				t.Error("it does not say how to mend it")
			}
		})
	}
}

func union(a, b machine) machine {
	both := machine{}
	for _, m := range []machine{a, b} {
		for name, content := range m {
			both[name] = content
		}
	}
	return both
}

// freeing makes a finding of what is said about a device in use.
func freeing(_ context.Context, p *patient) finding {
	return missing(p.freeing(), "%v", client.ErrBusy)
}

// examination makes every check of a machine without anything, and returns what
// is printed.
func examination(t *testing.T, asJSON bool) (out string, err error) {
	t.Helper()
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		t.Setenv(name, "C")
	}
	nobody, err := unusedAddress()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	a := &app{out: &text, json: asJSON}
	p := newPatient(t, nil)
	p.where.usbip, p.where.via = nobody, "auto"
	err = a.examine(t.Context(), p)
	return text.String(), err
}

func TestDoctorOfAMachineWithoutAnything(t *testing.T) {
	out, err := examination(t, false)
	if !errors.Is(err, errNoWay) || exitStatus(err) != 8 {
		t.Errorf("%v, exit status %d, want 8", err, exitStatus(err))
	}
	for _, want := range []string{
		"  -- server ", "-> start a simulator there: usbhsm7", "  ?  device ", "not looked at: server comes first",
		"-> see above", "  -- kernel module ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") || strings.Contains(out, "Open:") {
		t.Errorf("colours where there is no terminal, or an open way:\n%s", out)
	}
}

func TestDoctorInJSON(t *testing.T) {
	out, err := examination(t, true)
	if !errors.Is(err, errNoWay) {
		t.Errorf("%v, want %v", err, errNoWay)
	}
	var got struct {
		Ways []struct {
			Way      string
			Open     bool
			Findings []finding
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Ways) != len(ways) {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, w := range got.Ways {
		if w.Way != ways[i].name || w.Open || len(w.Findings) != len(ways[i].checks) {
			t.Errorf("%+v", w)
		}
		for _, f := range w.Findings {
			if f.Check == "" || f.Verdict == "" || f.Says == "" || f.Verdict == bad && f.Mend == "" {
				t.Errorf("%s: %+v", w.Way, f)
			}
		}
	}
}
