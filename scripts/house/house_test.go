// Package house checks the rules of the house in docs/architecture.md: which
// room may import which, and what stands at the top level. It holds only tests.
package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "usbhsm7/"

// A rule forbids every package under Room to import a package of this module
// or, with a listed name, of the standard library.
type rule struct {
	room   string
	except []string // packages under room that the rule does not bind
	allow  []string // rooms of this module it may import; nil means any
	deny   []string // packages that it must not import, of any module
	why    string
}

var rules = []rule{
	{room: "usbip", allow: []string{"usbip"}, why: "usbip knows nothing of HSMs"},
	{room: "usbip/usb", except: []string{"usbip/usb/usbtest"}, allow: []string{}, why: "the device model stands on the standard library"},
	{room: "usbip/usb/usbtest", allow: []string{"usbip/usb"}, why: "tests of every package may use it"},
	{room: "usbip/proto", allow: []string{"usbip/usb"}, why: "PDUs need only USB vocabulary"},
	{room: "usbip/spelling", allow: []string{}, why: "what was misspelt is the business of who reads it"},
	{room: "usbip/socket", allow: []string{}, why: "a socket knows nothing of what travels through it"},
	{
		room: "usbip", except: []string{"usbip/capture"}, deny: []string{"github.com/gopacket/gopacket"},
		why: "files of packets are the business of usbip/capture",
	},
	{room: "usbip/capture", allow: []string{"usbip/usb"}, why: "a recording shows URBs, whatever carries them"},
	{
		room: "usbip/fault", allow: []string{"usbip/usb", "usbip/proto", "usbip/client", "usbip/spelling"},
		why: "faults stand in front of any device and any server",
	},
	{room: "usbip/replay", allow: []string{"usbip/usb", "usbip/capture"}, why: "a recorded device is made of its recording alone"},
	{room: "ikey", allow: []string{"ikey", "usbip/usb"}, why: "an iKey stores bytes and knows nothing of the device that reads them"},
	{room: "fuf/detcbor", allow: []string{}, why: "an encoding knows nothing of what is encoded"},
	{room: "fuf", allow: []string{"fuf"}, why: "host and device share the format of update files, which knows neither"},
	{room: "firmware", deny: []string{module + "hostdrv"}, why: "the device never knows the driver"},
	{room: "firmware/frame", allow: []string{}, why: "framing is shared by host and device"},
	{room: "firmware/command", allow: []string{"fuf/detcbor"}, why: "the vocabulary is shared by host and device"},
	{
		room: "firmware/record", allow: []string{"firmware/frame", "firmware/command", "usbip/capture", "usbip/replay", "usbip/usb"},
		why: "what is secret follows from the command table, not from the device",
	},
	{
		room: "firmware/dialogue", allow: []string{"firmware/dialogue", "firmware/command", "firmware/hsm", "ikey", "touchscreen", "usbip/spelling"},
		why: "a dialogue knows people and keys, not how they are reached",
	},
	{room: "firmware/fm", allow: []string{"firmware/command"}, deny: []string{"net", "os", "crypto/rand"}, why: "what runs modules knows only what it hands them"},
	{room: "firmware/control", allow: []string{}, why: "the control socket carries requests and does not know what answers them"},
	{room: "firmware/flash", allow: []string{}, why: "flash holds bytes, not facts"},
	{room: "firmware/parallel", allow: []string{}, why: "whoever has work done side by side knows best what it is"},
	{room: "firmware/store", allow: []string{"firmware/flash"}, why: "records stand on flash alone"},
	{room: "touchscreen", allow: []string{"touchscreen"}, why: "the screen is hardware: it knows nothing of what it shows"},
	{room: "touchscreen/paint", allow: []string{}, why: "what draws knows nothing of screens"},
	{
		room: "firmware/boot", allow: []string{"firmware/boot", "firmware/flash", "firmware/parallel", "fuf"},
		deny: []string{"net", "os", "crypto/rand"},
		why:  "the bootloader stands on flash and knows nothing of the HSM",
	},
	{
		room: "firmware/hsm", allow: []string{"firmware/hsm", "firmware/store", "firmware/command"},
		deny: []string{"net", "os", "crypto/rand", "github.com/rs/zerolog"},
		why:  "the core is a deterministic state machine",
	},
	{
		room: "hostdrv/ceremony", allow: []string{"hostdrv/ceremony", "firmware/control", "firmware/dialogue/person", "touchscreen"},
		why: "a ceremony has the hands of people: it reaches a simulator by its control socket, and the driver only through hsm7",
	},
	{
		room: "hostdrv", except: []string{"hostdrv/cmd/hsm7", "hostdrv/hsmtest", "hostdrv/ceremony"},
		allow: []string{"hostdrv", "usbip", "firmware/frame", "firmware/command"},
		why:   "the driver shares only the wire with the firmware",
	},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestNoImportRunsAgainstTheRules(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages; the module has more", len(packages))
	}
	for _, r := range rules {
		t.Run(r.room, func(t *testing.T) {
			for _, p := range packages {
				if under(p.ImportPath, r.room) && !slices.Contains(r.except, strings.TrimPrefix(p.ImportPath, module)) {
					r.check(t, p)
				}
			}
		})
	}
}

func (r rule) check(t *testing.T, p pkg) {
	t.Helper()
	for _, imported := range p.Imports {
		ours := strings.HasPrefix(imported, module)
		if ours && r.allow != nil && !slices.ContainsFunc(r.allow, func(room string) bool { return under(imported, room) }) {
			t.Errorf("%s imports %s: %s", p.ImportPath, imported, r.why)
		}
		for _, deny := range r.deny {
			if imported == deny || strings.HasPrefix(imported, deny+"/") {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, r.why)
			}
		}
	}
}

func under(path, room string) bool {
	path = strings.TrimPrefix(path, module)
	return path == room || strings.HasPrefix(path, room+"/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestTheTopLevelHoldsOnlyWhatIsAgreed(t *testing.T) {
	agreed := strings.Fields("go.mod go.sum firmware hostdrv usbip touchscreen ikey fuf scripts docs Makefile README.md LICENSE .gitignore .ci .git build")
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(agreed, e.Name()) {
			t.Errorf("%s stands at the top level", e.Name())
		}
	}
}
