package usb

// Descriptors says what a device is. NewDevice assigns string indices, counts
// and lengths, and checks the rest.
type Descriptors struct {
	Speed                     Speed  // SpeedFull, SpeedHigh or SpeedSuper
	Vendor, Product           uint16 // idVendor, idProduct
	Release                   uint16 // bcdDevice, 0x0123 = version 1.2.3
	Class, SubClass, Protocol uint8  // 0 = told by the interfaces

	// Strings of at most 126 UTF-16 units, in US English; "" = none.
	Manufacturer, ProductName, Serial string

	Configurations []Configuration // at least one

	// Capabilities are device capability descriptors for the BOS descriptor
	// (USB 3.2 section 9.6.2), each complete with its bLength. A SuperSpeed
	// device has those for USB 2.0 and SuperSpeed by itself. Without any, and
	// without Microsoft, another device has no BOS descriptor.
	Capabilities [][]byte

	// Microsoft makes Windows bind a driver by itself; nil = it does not.
	Microsoft *MicrosoftOS
}

// Configuration is one configuration descriptor and all that belongs to it
// (USB 2.0 section 9.6.3).
type Configuration struct {
	Value        uint8  // bConfigurationValue, not 0
	Name         string // "" = none
	SelfPowered  bool
	RemoteWakeup bool
	MaxPower     int         // from the bus, in mA: 0 to 500, at SuperSpeed 0 to 896
	Interfaces   []Interface // in order of Number, then Alternate
}

// Interface is one alternate setting of an interface (USB 2.0 section 9.6.5).
type Interface struct {
	Number                    uint8 // counts from 0
	Alternate                 uint8 // counts from 0
	Class, SubClass, Protocol uint8
	Name                      string // "" = none
	Extra                     []byte // class-specific descriptors, sent after the interface descriptor
	Endpoints                 []Endpoint
}

const languageUS = 0x0409 // the one LANGID that devices here speak

// encoded holds the bytes of every descriptor, made once. Its content never changes.
type encoded struct {
	device         []byte
	qualifier      []byte   // nil = there is no other speed: not at high speed
	bos            []byte   // nil = none
	configurations [][]byte // by index
	otherSpeed     [][]byte // by index; nil likewise
	strings        [][]byte // by index; 0 = languages
}

// encode builds every descriptor of d, which has been checked.
func encode(d *Descriptors) *encoded {
	e := &encoded{bos: encodeBOS(d)}
	e.strings = [][]byte{{4, DescriptorString, languageUS & 0xff, languageUS >> 8}}
	e.device = e.encodeDevice(d)
	for i := range d.Configurations {
		e.configurations = append(e.configurations, e.encodeConfiguration(&d.Configurations[i], d.Speed))
	}
	if d.Speed == SpeedHigh {
		e.qualifier = encodeQualifier(e.device)
		for _, c := range e.configurations {
			e.otherSpeed = append(e.otherSpeed, toFullSpeed(c))
		}
	}
	return e
}

func (e *encoded) encodeDevice(d *Descriptors) []byte {
	speed := speeds[d.Speed]
	version := speed.version // hosts ask for a BOS from 2.01 on
	if e.bos == nil {
		version = 0x0200
	}
	b := []byte{18, DescriptorDevice}
	b = append16(b, version)
	b = append(b, d.Class, d.SubClass, d.Protocol, speed.controlPacket)
	b = append16(b, d.Vendor, d.Product, d.Release)
	return append(b, e.addString(d.Manufacturer), e.addString(d.ProductName), e.addString(d.Serial),
		uint8(len(d.Configurations)))
}

// encodeQualifier derives the device qualifier (USB 2.0 section 9.6.2) from the
// device descriptor.
func encodeQualifier(device []byte) []byte {
	b := []byte{10, DescriptorQualifier}
	b = append(b, device[2:8]...)
	return append(b, device[17], 0)
}

func (e *encoded) encodeConfiguration(c *Configuration, speed Speed) []byte {
	attributes := uint8(0x80)
	if c.SelfPowered {
		attributes |= 0x40
	}
	if c.RemoteWakeup {
		attributes |= 0x20
	}
	b := []byte{
		9, DescriptorConfiguration, 0, 0, uint8(c.count()), c.Value, e.addString(c.Name),
		attributes, powerUnits(c.MaxPower, speed),
	}
	for i := range c.Interfaces {
		b = e.appendInterface(b, &c.Interfaces[i], speed)
	}
	b[2], b[3] = uint8(len(b)), uint8(len(b)>>8) // wTotalLength
	return b
}

// powerUnits returns bMaxPower, rounded up.
func powerUnits(milliamperes int, speed Speed) uint8 {
	unit := speeds[speed].powerUnit
	return uint8((milliamperes + unit - 1) / unit)
}

func (e *encoded) appendInterface(b []byte, f *Interface, speed Speed) []byte {
	b = append(b, 9, DescriptorInterface, f.Number, f.Alternate, uint8(len(f.Endpoints)),
		f.Class, f.SubClass, f.Protocol, e.addString(f.Name))
	b = append(b, f.Extra...)
	for i := range f.Endpoints {
		b = f.Endpoints[i].append(b, speed)
	}
	return b
}

// addString stores s as a string descriptor (USB 2.0 section 9.6.7) and returns
// its index. The same text shares one index.
func (e *encoded) addString(s string) uint8 {
	if s == "" {
		return 0
	}
	b := encodeString(s)
	for i, known := range e.strings {
		if i > 0 && string(known) == string(b) {
			return uint8(i)
		}
	}
	e.strings = append(e.strings, b)
	return uint8(len(e.strings) - 1)
}

// toFullSpeed derives the other-speed configuration (USB 2.0 section 9.6.4) from
// a high-speed one.
func toFullSpeed(configuration []byte) []byte {
	b := append([]byte(nil), configuration...)
	b[1] = DescriptorOtherSpeed
	for at := 0; at < len(b); at += int(b[at]) {
		if b[at+1] == DescriptorEndpoint {
			endpointToFullSpeed(b[at : at+endpointSize])
		}
	}
	return b
}

// count returns bNumInterfaces: interfaces, not alternate settings.
func (c *Configuration) count() int {
	n := 0
	for _, f := range c.Interfaces {
		if f.Alternate == 0 {
			n++
		}
	}
	return n
}

// append16 appends little-endian 16-bit integers.
func append16(b []byte, values ...uint16) []byte {
	for _, v := range values {
		b = append(b, uint8(v), uint8(v>>8))
	}
	return b
}
