package usb

import (
	"encoding/binary"
	"fmt"
)

// Setup is the packet that begins a control transfer (USB 2.0 section 9.3).
type Setup struct {
	RequestType uint8  // bmRequestType: direction, type and recipient
	Request     uint8  // bRequest
	Value       uint16 // wValue
	Index       uint16 // wIndex
	Length      uint16 // wLength: bytes of the data stage, at most
}

// Fields of Setup.RequestType (USB 2.0 table 9-2).
const (
	DirIn = 0x80 // data stage goes to the host; also bit 7 of an endpoint address

	TypeMask     = 0x60
	TypeStandard = 0x00
	TypeClass    = 0x20
	TypeVendor   = 0x40

	RecipientMask      = 0x1f
	RecipientDevice    = 0x00
	RecipientInterface = 0x01
	RecipientEndpoint  = 0x02
	RecipientOther     = 0x03
)

// Standard request codes (USB 2.0 table 9-4).
const (
	GetStatus        = 0
	ClearFeature     = 1
	SetFeature       = 3
	SetAddress       = 5
	GetDescriptor    = 6
	SetDescriptor    = 7
	GetConfiguration = 8
	SetConfiguration = 9
	GetInterface     = 10
	SetInterface     = 11
	SynchFrame       = 12
	SetSEL           = 48 // SuperSpeed (USB 3.2 table 9-4)
	SetIsochDelay    = 49 // SuperSpeed
)

// Feature selectors (USB 2.0 tables 9-6 and 11-17, USB 3.2 table 9-7).
const (
	FeatureEndpointHalt    = 0
	FeatureFunctionSuspend = 0 // of an interface, SuperSpeed
	FeatureRemoteWakeup    = 1 // not SuperSpeed
	FeatureTestMode        = 2
	FeaturePortReset       = 4  // of a hub port; some USB/IP hosts send it to the device
	FeatureU1Enable        = 48 // SuperSpeed
	FeatureU2Enable        = 49 // SuperSpeed
	FeatureLTMEnable       = 50 // SuperSpeed
)

// Descriptor types (USB 2.0 table 9-5, USB 3.2 table 9-6).
const (
	DescriptorDevice           = 1
	DescriptorConfiguration    = 2
	DescriptorString           = 3
	DescriptorInterface        = 4
	DescriptorEndpoint         = 5
	DescriptorQualifier        = 6
	DescriptorOtherSpeed       = 7
	DescriptorBOS              = 15
	DescriptorDeviceCapability = 16
	DescriptorCompanion        = 48 // of a SuperSpeed endpoint
)

// ParseSetup decodes the eight bytes of a setup packet, which are little-endian.
// Every value is valid.
func ParseSetup(b [8]byte) Setup {
	return Setup{
		RequestType: b[0],
		Request:     b[1],
		Value:       binary.LittleEndian.Uint16(b[2:]),
		Index:       binary.LittleEndian.Uint16(b[4:]),
		Length:      binary.LittleEndian.Uint16(b[6:]),
	}
}

// Bytes encodes s as the eight bytes of a setup packet.
func (s Setup) Bytes() (b [8]byte) {
	b[0], b[1] = s.RequestType, s.Request
	binary.LittleEndian.PutUint16(b[2:], s.Value)
	binary.LittleEndian.PutUint16(b[4:], s.Index)
	binary.LittleEndian.PutUint16(b[6:], s.Length)
	return b
}

// In reports whether the data stage goes to the host.
func (s Setup) In() bool { return s.RequestType&DirIn != 0 }

// String returns the fields in the order of the packet, for logs.
func (s Setup) String() string {
	return fmt.Sprintf("setup %02x %02x value %04x index %04x length %d",
		s.RequestType, s.Request, s.Value, s.Index, s.Length)
}
