package usb

import (
	"errors"
	"fmt"
	"unicode/utf16"
)

// ErrDescriptors says that descriptors handed to NewDevice break a rule of USB;
// the error that wraps it says which.
var ErrDescriptors = errors.New("invalid USB descriptors")

const (
	maxStringUnits  = 126 // bLength is a byte: (255 - 2) / 2
	maxStrings      = 255
	maxTotalLength  = 0xffff
	maxCapabilities = 252 // of the caller: a byte counts these and up to three more
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDescriptors, fmt.Sprintf(format, args...))
}

// validate checks what encode and the device rely on.
func (d *Descriptors) validate() error {
	if err := d.validateSpeed(); err != nil {
		return err
	}
	if n := len(d.Configurations); n < 1 || n > 255 {
		return invalid("%d configurations, want 1 to 255", n)
	}
	if err := d.validateStrings(); err != nil {
		return err
	}
	if err := d.validateCapabilities(); err != nil {
		return err
	}
	seen := map[uint8]bool{0: true}
	for i := range d.Configurations {
		c := &d.Configurations[i]
		if seen[c.Value] {
			return invalid("configuration value %d is 0 or used twice", c.Value)
		}
		seen[c.Value] = true
		if err := c.validate(d.Speed); err != nil {
			return fmt.Errorf("configuration %d: %w", c.Value, err)
		}
	}
	return nil
}

func (d *Descriptors) validateSpeed() error {
	if _, known := speeds[d.Speed]; known {
		return nil
	}
	if d.Speed == SpeedLow {
		return invalid("low speed has no bulk and no isochronous endpoints, so no device here uses it; " +
			"choose full, high or super")
	}
	return invalid("speed %v is not supported, choose full, high or super", d.Speed)
}

func (d *Descriptors) validateStrings() error {
	all := []string{d.Manufacturer, d.ProductName, d.Serial}
	for _, c := range d.Configurations {
		all = append(all, c.Name)
		for _, f := range c.Interfaces {
			all = append(all, f.Name)
		}
	}
	if len(all) > maxStrings {
		return invalid("%d strings, want at most %d", len(all), maxStrings)
	}
	for _, s := range all {
		if n := len(utf16.Encode([]rune(s))); n > maxStringUnits {
			return invalid("string of %d UTF-16 units, want at most %d", n, maxStringUnits)
		}
	}
	return nil
}

func (d *Descriptors) validateCapabilities() error {
	if len(d.Capabilities) > maxCapabilities {
		return invalid("%d device capabilities, want at most %d", len(d.Capabilities), maxCapabilities)
	}
	for _, c := range d.Capabilities {
		if len(c) < 3 || int(c[0]) != len(c) || c[1] != DescriptorDeviceCapability {
			return invalid("malformed device capability % x", c)
		}
		if d.Speed == SpeedSuper && (c[2] == capabilityUSB2 || c[2] == capabilitySuperSpeed) {
			return invalid("device capability of type %d, which a SuperSpeed device has by itself", c[2])
		}
	}
	m := d.Microsoft
	if m != nil && (len(m.CompatibleID) < 1 || len(m.CompatibleID) > 8) {
		return invalid("Microsoft compatible ID %q, want 1 to 8 characters", m.CompatibleID)
	}
	if m != nil && len(m.InterfaceGUID) != 0 && len(m.InterfaceGUID) != 38 {
		return invalid("interface GUID %q is not {8-4-4-4-12}", m.InterfaceGUID)
	}
	return nil
}

func (c *Configuration) validate(speed Speed) error {
	if limit := speeds[speed].maxPower; c.MaxPower < 0 || c.MaxPower > limit {
		return invalid("power %d mA at %v speed, want 0 to %d", c.MaxPower, speed, limit)
	}
	total := 9
	owner := map[uint8]uint8{} // endpoint address -> interface
	number, alternate := -1, 0 // of the interface before
	for i := range c.Interfaces {
		f := &c.Interfaces[i]
		switch {
		case f.Alternate == 0 && int(f.Number) == number+1:
		case i > 0 && int(f.Number) == number && int(f.Alternate) == alternate+1:
		default:
			return invalid("interface %d alternate %d is out of order", f.Number, f.Alternate)
		}
		number, alternate = int(f.Number), int(f.Alternate)
		if err := f.validate(speed, owner); err != nil {
			return fmt.Errorf("interface %d alternate %d: %w", f.Number, f.Alternate, err)
		}
		total += 9 + len(f.Extra) + endpointSize*len(f.Endpoints)
		if speed == SpeedSuper {
			total += companionSize * len(f.Endpoints)
		}
	}
	if total > maxTotalLength {
		return invalid("%d bytes, want at most %d", total, maxTotalLength)
	}
	return nil
}

func (f *Interface) validate(speed Speed, owner map[uint8]uint8) error {
	for at := 0; at < len(f.Extra); at += int(f.Extra[at]) {
		if len(f.Extra)-at < 2 || f.Extra[at] < 2 || int(f.Extra[at]) > len(f.Extra)-at {
			return invalid("malformed class-specific descriptor at byte %d", at)
		}
	}
	here := map[uint8]bool{}
	for i := range f.Endpoints {
		p := &f.Endpoints[i]
		if other, used := owner[p.Address]; here[p.Address] || used && other != f.Number {
			return invalid("endpoint %02x is used twice", p.Address)
		}
		here[p.Address], owner[p.Address] = true, f.Number
		if p.Address&^(DirIn|0x0f) != 0 || p.Address&0x0f == 0 {
			return invalid("endpoint address %02x", p.Address)
		}
		rule, known := speeds[speed].endpoints[p.Type]
		if !known {
			return invalid("endpoint %02x: type %v, want bulk, interrupt or isochronous", p.Address, p.Type)
		}
		if err := rule.check(p, speed); err != nil {
			return err
		}
		if p.Type == Isochronous && f.Alternate == 0 && p.MaxPacketSize > 0 {
			return invalid("endpoint %02x: isochronous with packets of %d bytes in alternate setting 0, "+
				"which must be free of bandwidth: put it into another", p.Address, p.MaxPacketSize)
		}
	}
	return nil
}
