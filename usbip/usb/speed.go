package usb

// traits are what differs between the speeds that a device can have.
type traits struct {
	version       uint16 // bcdUSB of a device with a BOS descriptor
	controlPacket uint8  // bMaxPacketSize0; at SuperSpeed its binary logarithm
	powerUnit     int    // of bMaxPower, in mA
	maxPower      int    // that a device may ask for, in mA
	frames        uint64 // frames (full speed) or microframes until their number begins again
	endpoints     map[EndpointType]endpointRule
}

// endpointRule limits an endpoint descriptor (USB 2.0 sections 5.6.3, 5.7.3,
// 5.8.3 and 9.6.6, USB 3.2 sections 9.6.6 and 9.6.7).
type endpointRule struct {
	minPacket, maxPacket     uint16 // bytes of one packet
	powerOfTwo               bool   // of the packet size
	minInterval, maxInterval uint8
	maxMult, maxBurst        uint8
}

var speeds = map[Speed]traits{
	SpeedFull: {
		version: 0x0210, controlPacket: 64, powerUnit: 2, maxPower: 500, frames: 1 << 11,
		endpoints: map[EndpointType]endpointRule{
			Bulk:        {minPacket: 8, maxPacket: 64, powerOfTwo: true, maxInterval: 255},
			Interrupt:   {minPacket: 1, maxPacket: 64, minInterval: 1, maxInterval: 255},
			Isochronous: {maxPacket: 1023, minInterval: 1, maxInterval: 16},
		},
	},
	SpeedHigh: {
		version: 0x0210, controlPacket: 64, powerUnit: 2, maxPower: 500, frames: 1 << 14,
		endpoints: map[EndpointType]endpointRule{
			Bulk:        {minPacket: 512, maxPacket: 512, maxInterval: 255},
			Interrupt:   {minPacket: 1, maxPacket: 1024, minInterval: 1, maxInterval: 16, maxMult: 2},
			Isochronous: {maxPacket: 1024, minInterval: 1, maxInterval: 16, maxMult: 2},
		},
	},
	SpeedSuper: {
		version: 0x0320, controlPacket: 9, powerUnit: 8, maxPower: 896, frames: 1 << 14,
		endpoints: map[EndpointType]endpointRule{
			Bulk:        {minPacket: 1024, maxPacket: 1024, maxBurst: 15},
			Interrupt:   {minPacket: 1, maxPacket: 1024, minInterval: 1, maxInterval: 16, maxBurst: 2},
			Isochronous: {maxPacket: 1024, minInterval: 1, maxInterval: 16, maxMult: 2, maxBurst: 15},
		},
	},
}

// check returns what is wrong with p.
func (r *endpointRule) check(p *Endpoint, speed Speed) error {
	n := p.MaxPacketSize
	switch {
	case n < r.minPacket, n > r.maxPacket, r.powerOfTwo && n&(n-1) != 0:
		return invalid("endpoint %02x: %v with packets of %d bytes at %v speed", p.Address, p.Type, n, speed)
	case p.Interval < r.minInterval, p.Interval > r.maxInterval:
		return invalid("endpoint %02x: %v with interval %d at %v speed, want %d to %d",
			p.Address, p.Type, p.Interval, speed, r.minInterval, r.maxInterval)
	case p.Mult > r.maxMult, p.MaxBurst > r.maxBurst:
		return invalid("endpoint %02x: %v with mult %d and burst %d at %v speed, limits %d and %d",
			p.Address, p.Type, p.Mult, p.MaxBurst, speed, r.maxMult, r.maxBurst)
	case p.Type != Isochronous && (p.Sync != NoSync || p.Usage != DataEndpoint):
		return invalid("endpoint %02x: %v with synchronisation or usage of an isochronous one", p.Address, p.Type)
	case p.Sync > Synchronous, p.Usage > ImplicitFeedback:
		return invalid("endpoint %02x: synchronisation %d, usage %d", p.Address, p.Sync, p.Usage)
	case speed == SpeedHigh:
		return p.checkHighBandwidth()
	}
	return p.checkBurst()
}

// checkHighBandwidth keeps packets large enough for their number in a microframe
// (USB 2.0 table 9-14).
func (p *Endpoint) checkHighBandwidth() error {
	smallest := [...]uint16{0, 513, 683}[p.Mult]
	if p.MaxPacketSize < smallest {
		return invalid("endpoint %02x: %d packets of %d bytes in a microframe, want at least %d bytes each",
			p.Address, p.Mult+1, p.MaxPacketSize, smallest)
	}
	return nil
}

// checkBurst: only full packets make a burst, and only bursts can be several
// (USB 3.2 sections 9.6.6 and 9.6.7).
func (p *Endpoint) checkBurst() error {
	switch {
	case p.MaxBurst > 0 && p.MaxPacketSize != 1024:
		return invalid("endpoint %02x: burst of packets of %d bytes, want 1024", p.Address, p.MaxPacketSize)
	case p.Mult > 0 && p.MaxBurst == 0:
		return invalid("endpoint %02x: mult %d without a burst", p.Address, p.Mult)
	}
	return nil
}
