package vhci

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseStatusRefuses(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"the format of Linux before 4.13", "prt sta spd bus dev socket local_busid\n000 004 000 000 000 00000000 0-0\n"},
		{"too few columns", heading + "hs  0000 004 000 00000000 000000\n"},
		{"too many columns", heading + "hs  0000 004 000 00000000 000000 0-0 0-0\n"},
		{"unknown hub", heading + "fs  0000 004 000 00000000 000000 0-0\n"},
		{"port that is no number", heading + "hs  zero 004 000 00000000 000000 0-0\n"},
		{"port beyond any kernel", heading + "hs  65536 004 000 00000000 000000 0-0\n"},
		{"negative port", heading + "hs  -001 004 000 00000000 000000 0-0\n"},
		{"status beyond 8 bits", heading + "hs  0000 256 000 00000000 000000 0-0\n"},
		{"device ID beyond 32 bits", heading + "hs  0000 004 000 100000000 000000 0-0\n"},
		{"endless line", heading + strings.Repeat("h", 10*maxLine)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if ports, err := parseStatus(strings.NewReader(c.text)); !errors.Is(err, errStatus) {
				t.Errorf("parseStatus = %v, %v, want %v", ports, err, errStatus)
			}
		})
	}
}

func TestEmptyStatusHasNoPorts(t *testing.T) {
	for _, text := range []string{"", heading} {
		if ports, err := parseStatus(strings.NewReader(text)); err != nil || len(ports) != 0 {
			t.Errorf("parseStatus(%q) = %v, %v", text, ports, err)
		}
	}
}

// format writes a port as the kernel does: port_show_vhci in
// drivers/usb/usbip/vhci_sysfs.c.
func format(p Port) string {
	local := p.Local
	if local == "" {
		local = "0-0"
	}
	return fmt.Sprintf("%s  %04d %03d %03d %08x %06d %s\n", p.Hub, p.Number, p.Status, p.Speed, p.DevID, 0, local)
}

func FuzzParseStatus(f *testing.F) {
	f.Add(status0)
	f.Add(status1)
	f.Add(heading + "hs  0000 007 255 ffffffff 999999 1-1.4\n")
	f.Add("prt sta spd bus dev socket local_busid\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := parseStatus(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, errStatus) {
				t.Errorf("error %v does not wrap %v", err, errStatus)
			}
			return
		}
		var again strings.Builder
		again.WriteString(heading)
		for _, p := range ports {
			again.WriteString(format(p))
		}
		second, err := parseStatus(strings.NewReader(again.String()))
		if err != nil || !slices.Equal(second, ports) {
			t.Errorf("%q reads as %v; written and read again %v, %v", text, ports, second, err)
		}
	})
}
