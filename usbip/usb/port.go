package usb

import "errors"

// Speed of a connection, with the numbers that USB/IP uses.
type Speed uint8

// Speeds. A Device runs at full, high or super speed.
const (
	SpeedUnknown   Speed = 0
	SpeedLow       Speed = 1 // 1.5 Mbit/s
	SpeedFull      Speed = 2 // 12 Mbit/s
	SpeedHigh      Speed = 3 // 480 Mbit/s
	SpeedWireless  Speed = 4
	SpeedSuper     Speed = 5 // 5 Gbit/s
	SpeedSuperPlus Speed = 6 // 10 Gbit/s
)

// String returns the name that the USB standards use, for example "high".
func (s Speed) String() string {
	names := [...]string{"unknown", "low", "full", "high", "wireless", "super", "super-plus"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// Identity is what a list of devices shows of a device.
type Identity struct {
	Unplugged                 bool // not on the bus at present; lists leave it out
	Speed                     Speed
	Vendor, Product, Release  uint16 // idVendor, idProduct, bcdDevice
	Class, SubClass, Protocol uint8  // of the device descriptor; 0 = see the interfaces
	Configuration             uint8  // bConfigurationValue in force, 0 = not configured
	Configurations            uint8  // bNumConfigurations
	// Interfaces of the configuration in force, or of the first one while the
	// device is not configured. Empty where they are not known, as in the
	// answer to a USB/IP import.
	Interfaces []InterfaceClass
}

// InterfaceClass is the class triple of one interface.
type InterfaceClass struct {
	Class, SubClass, Protocol uint8
}

// Port is a device as a host sees it. *Device is one; a decorator around a
// Port, for faults or capture, is another. The rules in the package comment
// apply.
type Port interface {
	// Identity may be called at any time.
	Identity() Identity

	// Connect makes the caller the one host of the device. gone is closed when
	// the device unplugs itself; URBs submitted later end with ENODEV. Errors:
	// ErrBusy while another host is connected, ErrNoDevice while unplugged.
	Connect() (gone <-chan struct{}, err error)

	// Disconnect ends what Connect began. Pending URBs end with ESHUTDOWN and
	// the device returns to the unconfigured state. Without a connection it
	// does nothing.
	Disconnect()

	// Submit starts u. It never blocks; u.Done tells the result.
	Submit(u *URB)

	// Cancel ends u with ECONNRESET if it is still pending. It never blocks.
	// When it returns, u has finished or is about to: a URB that is being
	// carried out keeps its own result. A URB that is not pending is left alone.
	Cancel(u *URB)
}

// Errors of Port.Connect.
var (
	// ErrBusy says that another host uses the device.
	ErrBusy = errors.New("USB device is in use by another host")
	// ErrNoDevice says that the device is not plugged in, or that there is none.
	ErrNoDevice = errors.New("no such USB device")
)

// Errors of endpoints.
var (
	// ErrReset says that the endpoint was reset: the host left, configured the
	// device again, changed the alternate setting, cleared a halt or reset the
	// port, or the device was unplugged. Messages that arrived in part must be
	// dropped.
	ErrReset = errors.New("USB endpoint was reset")
	// ErrOverrun says that a transfer was longer than the buffer for it, and
	// that the rest of the transfer was dropped.
	ErrOverrun = errors.New("USB transfer is longer than its buffer")
)
