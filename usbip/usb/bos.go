package usb

import (
	"encoding/binary"
	"unicode/utf16"
)

// MicrosoftOS describes a device in the words of Windows 8.1 and later, so that
// it binds a driver without an INF file (Microsoft OS 2.0 Descriptors
// Specification). For one interface, WinUSB is the usual choice:
//
//	&MicrosoftOS{VendorCode: 0x20, CompatibleID: "WINUSB", InterfaceGUID: "{...}"}
type MicrosoftOS struct {
	VendorCode    uint8  // bRequest with which Windows fetches the descriptor set
	Interface     uint8  // the interface that CompatibleID speaks of, in a device that has several
	CompatibleID  string // 1 to 8 ASCII characters, "WINUSB"
	InterfaceGUID string // "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}": how applications find the device; "" = none
}

const (
	microsoftVersion      = 0x06030000 // Windows 8.1
	microsoftSetIndex     = 7          // wIndex of the request for the descriptor set
	microsoftSetHeader    = 0          // wDescriptorType values of the set
	microsoftSubsetConfig = 1
	microsoftSubsetFunc   = 2
	microsoftCompatibleID = 3
	microsoftProperty     = 4
	propertyMultiString   = 7 // REG_MULTI_SZ
)

// bDevCapabilityType (USB 3.2 table 9-14).
const (
	capabilityUSB2       = 2
	capabilitySuperSpeed = 3
	capabilityPlatform   = 5
)

// Capabilities that every SuperSpeed device has (USB 3.2 sections 9.6.2.1 and
// 9.6.2.2).
var (
	usb2Extension = []byte{
		7, DescriptorDeviceCapability, capabilityUSB2,
		0x02, 0, 0, 0, // link power management, which is mandatory here
	}
	superSpeedCapability = []byte{
		10, DescriptorDeviceCapability, capabilitySuperSpeed,
		0x02,       // latency tolerance messages
		0x0e, 0x00, // wSpeedsSupported: full, high, 5 Gbit/s
		3,          // bFunctionalitySupport: these descriptors are those of 5 Gbit/s
		10,         // bU1DevExitLat in microseconds
		0xf4, 0x01, // wU2DevExitLat: 500 microseconds
	}
)

// platformMicrosoft is D8DD60DF-4589-4CC7-9CD2-659D9E648A9F as it goes on the wire.
var platformMicrosoft = [16]byte{
	0xdf, 0x60, 0xdd, 0xd8, 0x89, 0x45, 0xc7, 0x4c, 0x9c, 0xd2, 0x65, 0x9d, 0x9e, 0x64, 0x8a, 0x9f,
}

// encodeBOS returns the BOS descriptor with its capabilities (USB 3.2 section
// 9.6.2), or nil if the device has none.
func encodeBOS(d *Descriptors) []byte {
	var capabilities [][]byte
	if d.Speed == SpeedSuper {
		capabilities = [][]byte{usb2Extension, superSpeedCapability}
	}
	capabilities = append(capabilities, d.Capabilities...)
	if d.Microsoft != nil {
		platform := []byte{28, DescriptorDeviceCapability, capabilityPlatform, 0}
		platform = append(platform, platformMicrosoft[:]...)
		platform = binary.LittleEndian.AppendUint32(platform, microsoftVersion)
		platform = append16(platform, uint16(len(encodeMicrosoft(d))))
		platform = append(platform, d.Microsoft.VendorCode, 0 /* no alternate enumeration */)
		capabilities = append(capabilities, platform)
	}
	if len(capabilities) == 0 {
		return nil
	}
	b := []byte{5, DescriptorBOS, 0, 0, uint8(len(capabilities))}
	for _, c := range capabilities {
		b = append(b, c...)
	}
	b[2], b[3] = uint8(len(b)), uint8(len(b)>>8)
	return b
}

// encodeMicrosoft returns the Microsoft OS 2.0 descriptor set, or nil. A device
// with one interface describes itself; in a composite device the description
// belongs to one function.
func encodeMicrosoft(d *Descriptors) []byte {
	if d.Microsoft == nil {
		return nil
	}
	body := d.Microsoft.features()
	if d.Configurations[0].count() > 1 {
		function := append16(nil, 8, microsoftSubsetFunc)
		function = append(function, d.Microsoft.Interface, 0)
		function = append16(function, uint16(8+len(body)))
		body = append(function, body...)

		configuration := append16(nil, 8, microsoftSubsetConfig)
		configuration = append(configuration, 0, 0) // index of the configuration
		configuration = append16(configuration, uint16(8+len(body)))
		body = append(configuration, body...)
	}
	set := append16(nil, 10, microsoftSetHeader)
	set = binary.LittleEndian.AppendUint32(set, microsoftVersion)
	set = append16(set, uint16(10+len(body)))
	return append(set, body...)
}

// features returns the compatible ID and the registry property
// DeviceInterfaceGUIDs.
func (m *MicrosoftOS) features() []byte {
	b := append16(nil, 20, microsoftCompatibleID)
	var id [16]byte // CompatibleID, SubCompatibleID
	copy(id[:8], m.CompatibleID)
	b = append(b, id[:]...)
	if m.InterfaceGUID == "" {
		return b
	}
	name := encodeUTF16("DeviceInterfaceGUIDs\x00")
	value := encodeUTF16(m.InterfaceGUID + "\x00\x00")
	b = append16(b, uint16(10+len(name)+len(value)), microsoftProperty, propertyMultiString, uint16(len(name)))
	b = append(b, name...)
	b = append16(b, uint16(len(value)))
	return append(b, value...)
}

func encodeUTF16(s string) []byte { return append16(nil, utf16.Encode([]rune(s))...) }

func encodeString(s string) []byte {
	text := encodeUTF16(s)
	return append([]byte{uint8(2 + len(text)), DescriptorString}, text...)
}
