package lab

import (
	"slices"
	"strings"
	"testing"
)

func TestParseLibraries(t *testing.T) {
	got, err := parseLibraries([]byte(`	linux-vdso.so.1 (0x00007ffd)
	libusb-1.0.so.0 => /lib/x86_64-linux-gnu/libusb-1.0.so.0 (0x00007fd4)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fd4)
	/lib64/ld-linux-x86-64.so.2 (0x00007fd4)
`))
	want := []string{"/lib/x86_64-linux-gnu/libusb-1.0.so.0", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("parseLibraries = %q, %v, want %q", got, err, want)
	}
}

func TestMissingLibraryIsNamed(t *testing.T) {
	_, err := parseLibraries([]byte("\tlibusb-1.0.so.0 => not found\n"))
	if err == nil || !strings.Contains(err.Error(), "libusb-1.0.so.0") {
		t.Errorf("parseLibraries: %v, want an error that names the library", err)
	}
}
