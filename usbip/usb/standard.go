package usb

// standardKey is bmRequestType and bRequest.
type standardKey [2]uint8

// standardAnswer carries out a request and returns the data stage of an IN
// request. False stalls it.
type standardAnswer func(*Device, Setup) ([]byte, bool)

// standardRequests are those of USB 2.0 section 9.4.
var standardRequests = map[standardKey]standardAnswer{
	{DirIn | RecipientDevice, GetDescriptor}:    (*Device).getDescriptor,
	{DirIn | RecipientDevice, GetConfiguration}: (*Device).getConfiguration,
	{DirIn | RecipientDevice, GetStatus}:        (*Device).deviceStatus,
	{RecipientDevice, SetAddress}:               (*Device).setAddress,
	{RecipientDevice, SetConfiguration}:         (*Device).setConfiguration,
	{RecipientDevice, SetFeature}:               (*Device).setDeviceFeature,
	{RecipientDevice, ClearFeature}:             (*Device).setDeviceFeature,

	{DirIn | RecipientInterface, GetInterface}: (*Device).getInterface,
	{DirIn | RecipientInterface, GetStatus}:    (*Device).interfaceStatus,
	{RecipientInterface, SetInterface}:         (*Device).setInterface,

	{DirIn | RecipientEndpoint, GetStatus}: (*Device).endpointStatus,
	{RecipientEndpoint, SetFeature}:        (*Device).setHalt,
	{RecipientEndpoint, ClearFeature}:      (*Device).setHalt,
}

// superSpeedRequests are what USB 3.2 section 9.4 adds.
var superSpeedRequests = map[standardKey]standardAnswer{
	{RecipientDevice, SetSEL}:          (*Device).setExitLatency,
	{RecipientDevice, SetIsochDelay}:   (*Device).setIsochDelay,
	{RecipientInterface, SetFeature}:   (*Device).setFunctionSuspend,
	{RecipientInterface, ClearFeature}: (*Device).setFunctionSuspend,
}

// standard answers a standard request. What is wrong, unknown or not allowed in
// the present state is stalled.
func (d *Device) standard(s Setup) ([]byte, Status) {
	key := standardKey{s.RequestType, s.Request}
	answer := standardRequests[key]
	if answer == nil && d.super() {
		answer = superSpeedRequests[key]
	}
	if answer != nil {
		if reply, ok := answer(d, s); ok {
			return reply, OK
		}
	}
	return nil, EPIPE
}

func (d *Device) super() bool { return d.descriptors.Speed == SpeedSuper }

// getDescriptor answers GET_DESCRIPTOR (USB 2.0 section 9.4.3).
func (d *Device) getDescriptor(s Setup) ([]byte, bool) {
	e, index := d.encoded, int(s.Value&0xff)
	var b []byte
	switch s.Value >> 8 {
	case DescriptorDevice:
		b = e.device
	case DescriptorQualifier:
		b = e.qualifier
	case DescriptorBOS:
		b = e.bos
	case DescriptorConfiguration:
		b = at(e.configurations, index)
	case DescriptorOtherSpeed:
		b = at(e.otherSpeed, index)
	case DescriptorString:
		if index == 0 || s.Index == languageUS || s.Index == 0 {
			b = at(e.strings, index)
		}
	}
	return b, b != nil
}

func at(list [][]byte, i int) []byte {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// setAddress answers SET_ADDRESS. The bus is not simulated: there is nothing to do.
func (d *Device) setAddress(s Setup) ([]byte, bool) { return nil, s.Value <= 127 }

// status returns the two bytes of GET_STATUS.
func (d *Device) status(bits uint8) []byte {
	d.scratch = [2]byte{bits, 0}
	return d.scratch[:]
}

func (d *Device) deviceStatus(Setup) ([]byte, bool) {
	bits := d.features
	if c := d.configuration; c != nil && c.SelfPowered || c == nil && d.descriptors.Configurations[0].SelfPowered {
		bits |= 1
	}
	return d.status(bits), true
}

// interfaceStatus answers GET_STATUS of an interface: nothing up to high speed,
// whether its function can and may wake the host at SuperSpeed (USB 3.2 figure 9-5).
func (d *Device) interfaceStatus(s Setup) ([]byte, bool) {
	if !d.hasInterface(s.Index) {
		return nil, false
	}
	bits := uint8(0)
	if d.super() && d.configuration.RemoteWakeup {
		bits |= 1
	}
	if d.functionWake[s.Index] {
		bits |= 2
	}
	return d.status(bits), true
}

func (d *Device) endpointStatus(s Setup) ([]byte, bool) {
	if s.Index&^DirIn == 0 {
		return d.status(0), true // the control pipe recovers from a stall by itself
	}
	e := d.activeEndpoint(s.Index)
	if e == nil {
		return nil, false
	}
	if e.halted {
		return d.status(1), true
	}
	return d.status(0), true
}

// setHalt answers SET_FEATURE and CLEAR_FEATURE(ENDPOINT_HALT). Isochronous
// endpoints do not have that feature.
func (d *Device) setHalt(s Setup) ([]byte, bool) {
	if s.Value != FeatureEndpointHalt {
		return nil, false
	}
	if s.Index&^DirIn == 0 {
		return nil, true
	}
	e := d.activeEndpoint(s.Index)
	switch {
	case e == nil || e.is.Type == Isochronous:
		return nil, false
	case s.Request == SetFeature:
		e.halt()
	default:
		e.clearHalt()
	}
	return nil, true
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
