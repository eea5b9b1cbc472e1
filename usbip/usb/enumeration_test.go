package usb_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"usbhsm7/usbip/usb"
)

// TestEnumeration replays what a Linux 6.1 host asks of a device when it is
// attached, and what lsusb -v asks on top, and compares every byte.
func TestEnumeration(t *testing.T) {
	for path, descriptors := range map[string]usb.Descriptors{
		"testdata/enumeration.txt":       example(),
		"testdata/enumeration_iso.txt":   isoExample(),
		"testdata/enumeration_super.txt": superExample(),
	} {
		t.Run(path, func(t *testing.T) {
			d := newDevice(t, descriptors, nil)
			if _, err := d.Connect(); err != nil {
				t.Fatal(err)
			}
			for _, v := range vectors(t, path) {
				v.check(t, d)
			}
		})
	}
}

// check asks d and compares the answer.
func (v vector) check(t *testing.T, d *usb.Device) {
	t.Helper()
	setup := usb.ParseSetup([8]byte(v.request))
	u := control(d, setup, make([]byte, setup.Length))
	want := usb.OK
	if v.stall {
		want = usb.EPIPE
	}
	if u.Status != want {
		t.Errorf("%s: %v, want %v", v.name, u.Status, want)
	}
	if !v.stall && setup.In() && !bytes.Equal(u.Buffer[:u.Actual], v.reply) {
		t.Errorf("%s:\n got % x\nwant % x", v.name, u.Buffer[:u.Actual], v.reply)
	}
}

type vector struct {
	name           string
	request, reply []byte
	stall          bool
}

// vectors reads lines of "setup packet = answer", where the answer is hexadecimal,
// nothing, or "stall". A comment before a line names it.
func vectors(t *testing.T, path string) []vector {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []vector
	name := ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if comment, found := strings.CutPrefix(line, "# "); found || line == "" {
			name = comment
			continue
		}
		request, answer, _ := strings.Cut(line, "=")
		v := vector{name: name, request: unhex(t, request), stall: strings.TrimSpace(answer) == "stall"}
		if !v.stall {
			v.reply = unhex(t, answer)
		}
		list = append(list, v)
	}
	if len(list) == 0 || lines.Err() != nil {
		t.Fatalf("%s: no vectors, %v", path, lines.Err())
	}
	return list
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(s), " ", ""))
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}
