package usb

func (d *Device) getConfiguration(Setup) ([]byte, bool) {
	d.scratch[0] = 0
	if d.configuration != nil {
		d.scratch[0] = d.configuration.Value
	}
	return d.scratch[:1], true
}

// setConfiguration answers SET_CONFIGURATION (USB 2.0 section 9.4.7). Choosing
// the configuration in force again resets its endpoints.
func (d *Device) setConfiguration(s Setup) ([]byte, bool) {
	if s.Value == 0 {
		d.configure(nil)
		return nil, true
	}
	for i := range d.descriptors.Configurations {
		if c := &d.descriptors.Configurations[i]; uint16(c.Value) == s.Value {
			d.configure(c)
			return nil, true
		}
	}
	return nil, false
}

// configure puts c in force with every interface at alternate setting 0; nil
// leaves the device unconfigured.
func (d *Device) configure(c *Configuration) {
	if d.configuration != nil {
		for i := range d.alternates {
			d.disable(uint8(i))
		}
	}
	d.configuration, d.alternates, d.functionWake = c, nil, nil
	if c == nil {
		return
	}
	d.alternates = make([]uint8, c.count())
	d.functionWake = make([]bool, c.count())
	for i := range d.alternates {
		d.enable(uint8(i), 0)
	}
}

func (d *Device) hasInterface(index uint16) bool {
	return d.configuration != nil && int(index) < len(d.alternates)
}

func (d *Device) getInterface(s Setup) ([]byte, bool) {
	if !d.hasInterface(s.Index) {
		return nil, false
	}
	d.scratch[0] = d.alternates[s.Index]
	return d.scratch[:1], true
}

// setInterface answers SET_INTERFACE (USB 2.0 section 9.4.10).
func (d *Device) setInterface(s Setup) ([]byte, bool) {
	if !d.hasInterface(s.Index) || s.Value > 0xff || d.find(uint8(s.Index), uint8(s.Value)) == nil {
		return nil, false
	}
	d.disable(uint8(s.Index))
	d.enable(uint8(s.Index), uint8(s.Value))
	return nil, true
}

// find returns an alternate setting of the configuration in force, or nil.
func (d *Device) find(number, alternate uint8) *Interface {
	for i := range d.configuration.Interfaces {
		if f := &d.configuration.Interfaces[i]; f.Number == number && f.Alternate == alternate {
			return f
		}
	}
	return nil
}

// disable ends the URBs of an interface's endpoints.
func (d *Device) disable(number uint8) {
	for _, p := range d.find(number, d.alternates[number]).Endpoints {
		e := d.endpoints[p.Address]
		e.active = false
		e.abort(ESHUTDOWN)
		e.reset()
	}
}

func (d *Device) enable(number, alternate uint8) {
	d.alternates[number] = alternate
	for _, p := range d.find(number, alternate).Endpoints {
		e := d.endpoints[p.Address]
		e.active, e.is, e.nextFrame = true, p, d.frame
		e.reset()
	}
}

// resetPort answers SET_FEATURE(PORT_RESET), with which usbip-win2 asks for a
// reset of the device. As a Linux server does, it resets the endpoints and
// leaves the configuration in force.
func (d *Device) resetPort() {
	for _, e := range d.endpoints {
		if e.active {
			e.abort(ESHUTDOWN)
			e.reset()
		}
	}
}
