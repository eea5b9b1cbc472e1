package capture

import (
	"sync"

	"usbhsm7/usbip/usb"
)

// submission describes u as it is submitted.
func (l *line) submission(u *usb.URB, id uint64) Packet {
	p := l.describe(u, id)
	p.Event, p.Status, p.Flags, p.Length = Submission, InProgress, u.Flags, len(u.Buffer)
	if p.Type == usb.Control {
		setup := u.Setup
		p.Setup = &setup
	}
	if !u.In() {
		p.Data = u.Buffer
	}
	return p
}

// completion describes u as it ends.
func (l *line) completion(u *usb.URB, id uint64) Packet {
	p := l.describe(u, id)
	p.Event, p.Status, p.Length = Completion, u.Status, u.Actual
	for _, packet := range u.Packets {
		if packet.Status != usb.OK {
			p.Errors++
		}
	}
	switch {
	case neverSubmitted(u.Status):
		p.Event = Failure
	case u.In() && p.Type == usb.Isochronous:
		p.Data = u.Buffer[:reach(u)]
	case u.In():
		p.Data = u.Buffer[:u.Actual]
	}
	return p
}

// neverSubmitted reports whether s says that a URB was refused before it reached
// the bus: Linux returns these from usb_submit_urb.
func neverSubmitted(s usb.Status) bool {
	return s == usb.ENODEV || s == usb.ENOMEM || s == usb.EINVAL
}

// reach returns the end of the last byte that an isochronous IN transfer brought.
// The packets lie in the buffer with gaps.
func reach(u *usb.URB) int {
	end := 0
	for _, p := range u.Packets {
		if p.Actual > 0 {
			end = max(end, p.Offset+p.Actual)
		}
	}
	return min(end, len(u.Buffer))
}

func (l *line) describe(u *usb.URB, id uint64) Packet {
	return Packet{
		ID: id, Type: l.typeOf(u), Endpoint: u.Endpoint,
		Bus: l.bus, Device: l.device, Interval: u.Interval, Frame: u.StartFrame, Packets: u.Packets,
	}
}

// typeOf returns the transfer type of u.
func (l *line) typeOf(u *usb.URB) usb.EndpointType {
	switch {
	case u.Number() == 0:
		return usb.Control
	case u.Packets != nil:
		return usb.Isochronous
	}
	return l.types.of(u.Endpoint)
}

// types are the transfer types of endpoints. An address means the same in every
// configuration of the devices that this is for.
type types struct {
	mu    sync.Mutex
	known map[uint8]usb.EndpointType // by address
}

func (t *types) of(address uint8) usb.EndpointType {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.known[address]; ok {
		return known
	}
	return usb.Bulk
}

// note notes the endpoints of a device whose descriptors are known.
func (t *types) note(configurations []usb.Configuration) {
	t.known = map[uint8]usb.EndpointType{}
	for _, c := range configurations {
		for _, f := range c.Interfaces {
			for _, e := range f.Endpoints {
				t.known[e.Address] = e.Type
			}
		}
	}
}

// learn notes the endpoints in a configuration descriptor (USB 2.0, section
// 9.6.3), if data is the answer to a request for one.
func (t *types) learn(setup usb.Setup, data []byte) {
	if setup.RequestType != usb.DirIn || setup.Request != usb.GetDescriptor || setup.Value>>8 != usb.DescriptorConfiguration {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(data) >= 2 && int(data[0]) >= 2 && int(data[0]) <= len(data) {
		if data[1] == usb.DescriptorEndpoint && data[0] >= 7 {
			t.known[data[2]] = usb.EndpointType(data[3] & 3)
		}
		data = data[data[0]:]
	}
}
