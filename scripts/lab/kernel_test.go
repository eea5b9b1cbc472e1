package lab

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

const dependencies = `kernel/usb/vhci-hcd.ko: kernel/usb/usbip-core.ko kernel/usb/usbcore.ko kernel/usb/usb-common.ko
kernel/usb/usbip-core.ko: kernel/usb/usbcore.ko kernel/usb/usb-common.ko
kernel/usb/usbcore.ko: kernel/usb/usb-common.ko
kernel/usb/usb-common.ko:
kernel/net/virtio_net.ko:
`

func TestLoadOrderPutsEachModuleAfterWhatItNeeds(t *testing.T) {
	depends, err := parseDependencies(strings.NewReader(dependencies))
	if err != nil {
		t.Fatal(err)
	}
	k := &kernel{depends: depends}
	got, err := k.loadOrder([]string{"virtio-net", "vhci_hcd", "usbcore"})
	want := []string{
		"kernel/net/virtio_net.ko",
		"kernel/usb/usb-common.ko", "kernel/usb/usbcore.ko", "kernel/usb/usbip-core.ko", "kernel/usb/vhci-hcd.ko",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("loadOrder = %q, %v, want %q", got, err, want)
	}
}

func TestUnknownModuleIsNamed(t *testing.T) {
	_, err := (&kernel{release: "6.1.0"}).loadOrder([]string{"vhci_hcd"})
	if err == nil || !strings.Contains(err.Error(), "vhci_hcd") || !strings.Contains(err.Error(), "6.1.0") {
		t.Errorf("loadOrder: %v, want an error that names the module and the kernel", err)
	}
}

func TestDependenciesWithoutColonAreRefused(t *testing.T) {
	if _, err := parseDependencies(strings.NewReader("kernel/a.ko\n")); err == nil {
		t.Error("parseDependencies accepted a line without a colon")
	}
}

// bootImage returns a bzImage whose payload, of n bytes, begins with start.
func bootImage(start string, n int) []byte {
	const sectors, offset = 3, 100
	image := make([]byte, (sectors+1)*512+offset+n)
	image[0x1f1] = sectors
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint32(image[0x248:], offset)
	binary.LittleEndian.PutUint32(image[0x24c:], uint32(n))
	copy(image[(sectors+1)*512+offset:], start)
	return image
}

func TestBootPayload(t *testing.T) {
	xz := "\xfd7zXZ\x00 and so on"
	good := bootImage(xz, 40)
	for _, c := range []struct {
		name  string
		image []byte
		says  string // "" for success
	}{
		{"found at the offset that the header gives", good, ""},
		{"empty file", nil, "not an x86 boot image"},
		{"no header", make([]byte, 4096), "not an x86 boot image"},
		{"truncated", good[:len(good)-1], "truncated"},
		{"another compression", bootImage("\x28\xb5\x2f\xfd", 40), "xz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			payload, err := bootPayload(c.image)
			if c.says == "" {
				if err != nil || len(payload) != 40 || !strings.HasPrefix(string(payload), xz) {
					t.Errorf("bootPayload = %q, %v", payload, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("bootPayload: %v, want an error that says %q", err, c.says)
			}
		})
	}
}
