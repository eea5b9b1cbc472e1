package usb

import "errors"

// runControl carries out the control URBs that wait, in order. The lock is held,
// except while the handler runs.
func (d *Device) runControl() {
	if d.controlBusy {
		return
	}
	d.controlBusy = true
	for u := d.control.pop(); u != nil; u = d.control.pop() {
		actual, status := d.carryOut(u)
		d.finish(u, actual, status)
	}
	d.controlBusy = false
}

// carryOut runs one control transfer and returns how many bytes its data stage
// moved.
func (d *Device) carryOut(u *URB) (int, Status) {
	s := u.Setup
	if s.Length != 0 && s.In() != u.In() {
		return 0, EPIPE
	}
	stage := u.Buffer[:min(len(u.Buffer), int(s.Length))]
	reply, status := d.request(s, stage)
	switch {
	case status != OK:
		return 0, status
	case s.In():
		return copy(stage, reply), OK
	}
	return len(stage), OK
}

// request finds who answers s.
func (d *Device) request(s Setup, stage []byte) ([]byte, Status) {
	switch {
	case s.RequestType&TypeMask == TypeStandard:
		return d.standard(s)
	case s.RequestType == TypeClass|RecipientOther && s.Request == SetFeature && s.Value == FeaturePortReset:
		d.resetPort()
		return nil, OK
	case d.microsoft != nil && s.RequestType == DirIn|TypeVendor|RecipientDevice &&
		s.Request == d.descriptors.Microsoft.VendorCode && s.Index == microsoftSetIndex:
		return d.microsoft, OK
	case d.handler == nil:
		return nil, EPIPE
	}
	return d.callHandler(s, stage)
}

func (d *Device) callHandler(s Setup, stage []byte) ([]byte, Status) {
	if s.In() {
		stage = nil
	}
	d.mu.Unlock()
	defer d.mu.Lock()
	reply, err := d.handler.Control(s, stage)
	if err == nil {
		return reply, OK
	}
	var status Status
	if !errors.As(err, &status) || status == OK {
		status = EPIPE
	}
	return nil, status
}

// standard answers a request of USB 2.0 section 9.4. What is wrong, unknown or
// not allowed in the present state is stalled.
func (d *Device) standard(s Setup) ([]byte, Status) {
	const in, toInterface, toEndpoint = DirIn, RecipientInterface, RecipientEndpoint
	ok := false
	var reply []byte
	switch [2]uint8{s.RequestType, s.Request} {
	case [2]uint8{in, GetDescriptor}:
		reply = d.descriptor(s)
		ok = reply != nil
	case [2]uint8{0, SetAddress}:
		ok = s.Value <= 127 // the bus is not simulated: nothing to do
	case [2]uint8{in, GetConfiguration}:
		reply, ok = d.getConfiguration(), true
	case [2]uint8{0, SetConfiguration}:
		ok = d.setConfiguration(s.Value)
	case [2]uint8{in | toInterface, GetInterface}:
		reply, ok = d.getInterface(s.Index)
	case [2]uint8{toInterface, SetInterface}:
		ok = d.setInterface(s.Index, s.Value)
	case [2]uint8{in, GetStatus}:
		reply, ok = d.deviceStatus(), true
	case [2]uint8{in | toInterface, GetStatus}:
		reply, ok = d.status(0), d.hasInterface(s.Index)
	case [2]uint8{in | toEndpoint, GetStatus}:
		reply, ok = d.endpointStatus(s.Index)
	case [2]uint8{0, SetFeature}:
		ok = d.setRemoteWakeup(s.Value, true)
	case [2]uint8{0, ClearFeature}:
		ok = d.setRemoteWakeup(s.Value, false)
	case [2]uint8{toEndpoint, SetFeature}:
		ok = d.setHalt(s, true)
	case [2]uint8{toEndpoint, ClearFeature}:
		ok = d.setHalt(s, false)
	}
	if !ok {
		return nil, EPIPE
	}
	return reply, OK
}

// descriptor answers GET_DESCRIPTOR (USB 2.0 section 9.4.3), or nil.
func (d *Device) descriptor(s Setup) []byte {
	e, index := d.encoded, int(s.Value&0xff)
	switch s.Value >> 8 {
	case DescriptorDevice:
		return e.device
	case DescriptorQualifier:
		return e.qualifier
	case DescriptorBOS:
		return e.bos
	case DescriptorConfiguration:
		return at(e.configurations, index)
	case DescriptorOtherSpeed:
		return at(e.otherSpeed, index)
	case DescriptorString:
		if index == 0 || s.Index == languageUS || s.Index == 0 {
			return at(e.strings, index)
		}
	}
	return nil
}

func at(list [][]byte, i int) []byte {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// status returns the two bytes of GET_STATUS.
func (d *Device) status(bits uint8) []byte {
	d.scratch = [2]byte{bits, 0}
	return d.scratch[:]
}

func (d *Device) deviceStatus() []byte {
	bits := uint8(0)
	if c := d.configuration; c != nil && c.SelfPowered || c == nil && d.descriptors.Configurations[0].SelfPowered {
		bits |= 1
	}
	if d.remoteWakeup {
		bits |= 2
	}
	return d.status(bits)
}

func (d *Device) endpointStatus(index uint16) ([]byte, bool) {
	if index&^DirIn == 0 {
		return d.status(0), true // the control pipe recovers from a stall by itself
	}
	e := d.activeEndpoint(index)
	if e == nil {
		return nil, false
	}
	if e.halted {
		return d.status(1), true
	}
	return d.status(0), true
}

func (d *Device) setRemoteWakeup(feature uint16, on bool) bool {
	c := d.configuration
	if feature != FeatureRemoteWakeup || c == nil || !c.RemoteWakeup {
		return false
	}
	d.remoteWakeup = on
	return true
}

// setHalt answers SET_FEATURE and CLEAR_FEATURE(ENDPOINT_HALT).
func (d *Device) setHalt(s Setup, on bool) bool {
	if s.Value != FeatureEndpointHalt {
		return false
	}
	if s.Index&^DirIn == 0 {
		return true
	}
	e := d.activeEndpoint(s.Index)
	switch {
	case e == nil:
		return false
	case on:
		e.halt()
	default:
		e.clearHalt()
	}
	return true
}

func (d *Device) activeEndpoint(index uint16) *endpoint {
	if index > 0xff {
		return nil
	}
	if e := d.endpoints[uint8(index)]; e != nil && e.active {
		return e
	}
	return nil
}
