package lab

import (
	"cmp"
	"context"
	"fmt"
	"path"
)

// Gadget is a USB device that the guest's kernel makes of its own function
// drivers (Documentation/usb/gadget_configfs.rst). The guest needs the modules
// usb_f_ss_lb and that of the controller.
type Gadget struct {
	Name            string // of its folder
	Controller      string // the USB device controller it plugs into: "dummy_udc.0", "usbip-vudc.0"
	Vendor, Product uint16
	Serial          string

	// Functions has the function driver of each configuration: "SourceSink"
	// (endless data, and a drain) or "Loopback" (what it gets it sends back).
	Functions []string

	// Transfer is the length of the requests that SourceSink makes to its
	// controller, in bytes. 0: what the kernel takes by itself, 4096.
	Transfer int

	// Pattern is what SourceSink sends and expects: 0 for zeros, 1 for bytes
	// that count modulo 63 within each packet.
	Pattern int
}

const (
	configfs = "/sys/kernel/config"
	gadgets  = configfs + "/usb_gadget"
	english  = "0x409"
)

// Plug makes g and plugs it into its controller.
func (m *Machine) Plug(ctx context.Context, g Gadget) error {
	if err := m.plug(ctx, g); err != nil {
		return fmt.Errorf("gadget %s: %w", g.Name, err)
	}
	return nil
}

func (m *Machine) plug(ctx context.Context, g Gadget) error {
	if _, err := m.Exec(ctx, "sh", "-c", "grep -q "+configfs+" /proc/mounts || mount -t configfs none "+configfs); err != nil {
		return err
	}
	folder := path.Join(gadgets, g.Name)
	set := func(value string, elements ...string) error {
		return m.Put(ctx, path.Join(folder, path.Join(elements...)), 0o644, []byte(value))
	}
	for _, a := range []struct{ path, value string }{
		{"idVendor", fmt.Sprintf("%#04x", g.Vendor)},
		{"idProduct", fmt.Sprintf("%#04x", g.Product)},
		{path.Join("strings", english, "serialnumber"), g.Serial},
		{path.Join("strings", english, "product"), g.Name},
	} {
		if err := set(a.value, a.path); err != nil {
			return err
		}
	}
	for i, function := range g.Functions {
		name := function + ".0"
		if function == "SourceSink" {
			if err := set(fmt.Sprint(g.Pattern), "functions", name, "pattern"); err != nil {
				return err
			}
			if err := set(fmt.Sprint(cmp.Or(g.Transfer, 4096)), "functions", name, "bulk_buflen"); err != nil {
				return err
			}
		}
		if err := m.addConfiguration(ctx, folder, fmt.Sprintf("c.%d", i+1), name); err != nil {
			return err
		}
	}
	return set(g.Controller, "UDC")
}

// addConfiguration makes a configuration of one function, which is made where
// it is not there.
func (m *Machine) addConfiguration(ctx context.Context, folder, name, function string) error {
	configuration := path.Join(folder, "configs", name)
	function = path.Join(folder, "functions", function)
	_, err := m.Exec(ctx, "mkdir", "-p", configuration, function)
	if err == nil {
		_, err = m.Exec(ctx, "ln", "-s", function, configuration)
	}
	return err
}
