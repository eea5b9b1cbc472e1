package usb

// TransferType returns the transfer type of an endpoint in the configuration in
// force, or in the first one while the device is not configured; false if that
// has no such endpoint. An address means the same in every alternate setting of
// the devices that this is for.
func (d *Device) TransferType(address uint8) (EndpointType, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &d.descriptors.Configurations[0]
	if d.configuration != nil {
		c = d.configuration
	}
	for _, f := range c.Interfaces {
		for _, p := range f.Endpoints {
			if p.Address == address {
				return p.Type, true
			}
		}
	}
	return 0, false
}
