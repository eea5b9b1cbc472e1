package usb

// Endpoint is one endpoint descriptor (USB 2.0 section 9.6.6) and, at SuperSpeed,
// its companion (USB 3.2 section 9.6.7).
//
//	                full speed         high speed      SuperSpeed
//	bulk            8, 16, 32 or 64    512             1024
//	interrupt       1 to 64            1 to 1024       1 to 1024
//	isochronous     0 to 1023          0 to 1024       0 to 1024
//
// An isochronous endpoint in alternate setting 0 has packets of 0 bytes, so that
// it takes no bandwidth until the host wants it.
type Endpoint struct {
	Address       uint8 // number 1 to 15, bit 7 = IN
	Type          EndpointType
	MaxPacketSize uint16 // bytes of one packet, see the table

	// Interval is the service interval of periodic endpoints: of isochronous ones
	// 2^(Interval-1) frames (full speed) or microframes, 1 to 16; of interrupt
	// ones the same, but at full speed Interval frames, 1 to 255. Bulk: 0.
	Interval uint8

	// Mult, 0 to 2, is how much more than once an interval is used: by packets
	// (high speed, interrupt and isochronous: of 513 bytes or more for two, 683
	// for three) or by bursts (SuperSpeed, isochronous).
	Mult uint8
	// MaxBurst is how many packets of 1024 bytes follow the first of a burst.
	// SuperSpeed only: 0 to 15, interrupt 0 to 2.
	MaxBurst uint8

	Sync  IsoSync  // isochronous only
	Usage IsoUsage // isochronous only
}

// EndpointType is the transfer type in bmAttributes.
type EndpointType uint8

// Transfer types.
const (
	Control     EndpointType = 0
	Isochronous EndpointType = 1
	Bulk        EndpointType = 2
	Interrupt   EndpointType = 3
)

// String returns the name of t, for example "bulk".
func (t EndpointType) String() string {
	names := [...]string{"control", "isochronous", "bulk", "interrupt"}
	if int(t) < len(names) {
		return names[t]
	}
	return "invalid"
}

// IsoSync is how an isochronous endpoint keeps in step with the host (USB 2.0
// section 5.12.4.1).
type IsoSync uint8

// Kinds of synchronisation.
const (
	NoSync       IsoSync = 0
	Asynchronous IsoSync = 1
	Adaptive     IsoSync = 2
	Synchronous  IsoSync = 3
)

// IsoUsage is what an isochronous endpoint carries (USB 2.0 section 5.12.4.2).
type IsoUsage uint8

// Usages.
const (
	DataEndpoint     IsoUsage = 0
	Feedback         IsoUsage = 1
	ImplicitFeedback IsoUsage = 2 // data that tells the rate as well
)

const (
	endpointSize    = 7 // bytes of an endpoint descriptor
	companionSize   = 6 // bytes of a SuperSpeed endpoint companion
	fullSpeedPacket = 64
	fullSpeedIso    = 1023
)

// BytesPerInterval returns the most that a periodic endpoint can move in one
// service interval.
func (p *Endpoint) BytesPerInterval() int {
	return int(p.MaxPacketSize) * int(p.Mult+1) * int(p.MaxBurst+1)
}

// append appends the descriptor and, at SuperSpeed, the companion.
func (p *Endpoint) append(b []byte, speed Speed) []byte {
	b = append(b, endpointSize, DescriptorEndpoint, p.Address, uint8(p.Type)|uint8(p.Sync)<<2|uint8(p.Usage)<<4)
	if speed != SpeedSuper {
		b = append16(b, p.MaxPacketSize|uint16(p.Mult)<<11)
		return append(b, p.Interval)
	}
	b = append16(b, p.MaxPacketSize)
	b = append(b, p.Interval, companionSize, DescriptorCompanion, p.MaxBurst, p.Mult)
	if p.Type == Bulk {
		return append16(b, 0)
	}
	return append16(b, uint16(p.BytesPerInterval()))
}

// endpointToFullSpeed turns a high-speed endpoint descriptor into the one that
// the same endpoint would have at full speed: smaller packets, and intervals in
// milliseconds instead of microframes.
func endpointToFullSpeed(b []byte) {
	limit := uint16(fullSpeedPacket)
	switch kind := EndpointType(b[3] & 3); kind {
	case Interrupt:
		microframes := 1 << (b[6] - 1)
		b[6] = uint8(min(max(microframes/8, 1), 255))
	case Isochronous:
		limit = fullSpeedIso
		b[6] = max(b[6], 4) - 3
	}
	size := min(uint16(b[4])|uint16(b[5]&0x07)<<8, limit)
	b[4], b[5] = uint8(size), uint8(size>>8)
}
