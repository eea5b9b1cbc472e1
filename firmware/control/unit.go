package control

import "context"

// Unit is a simulated device together with its power switch.
type Unit interface {
	// Status may be called at any time.
	Status() Status

	// PowerOn starts the device and puts it on the bus. It does nothing if the
	// device is on.
	PowerOn(ctx context.Context) error

	// PowerOff takes the device off the bus, as if the cable was pulled, and
	// stops it. What was acknowledged to a host is kept. It does nothing if the
	// device is off.
	PowerOff(ctx context.Context) error
}

// Status tells what is simulated and how to reach it. It is also the line that
// usbhsm7 writes when it is ready.
type Status struct {
	Listen   string `json:"listen"`            // address of the USB/IP server
	BusID    string `json:"bus_id"`            // bus ID there
	USBID    string `json:"usb_id"`            // idVendor:idProduct, hexadecimal
	Serial   string `json:"serial"`            // of the device
	Model    string `json:"model"`             // of the device
	Firmware string `json:"firmware"`          // version of the device's firmware
	PID      int    `json:"pid"`               // process of the simulator
	Control  string `json:"control,omitempty"` // path of the control socket
	Screen   string `json:"screen,omitempty"`  // URL of the screen as a web page; who has it can touch the screen
	Powered  bool   `json:"powered"`
	Kernel   *Port  `json:"kernel,omitempty"` // where the simulator attached itself to; nil = nowhere

	// Shipped is what the maker would send along with a new device in Secure
	// Transport Mode; nil of any other.
	Shipped *Shipped `json:"shipped,omitempty"`
}

// Shipped are the two strings that tell whether a device was touched on its way.
type Shipped struct {
	Random       string `json:"random_user_string"`
	Verification string `json:"verification_string"`
}

// Port is a port of this machine's kernel.
type Port struct {
	Number int    `json:"port"`  // of vhci_hcd, as hsm7 ports counts them
	Local  string `json:"local"` // the device, "1-1" as under /sys/bus/usb/devices
}
