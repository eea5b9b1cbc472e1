package usb

import "sync"

// Handler answers the control requests that the device core does not know: those
// of a class or a vendor.
type Handler interface {
	// Control carries out one request. For an OUT request data is the data
	// stage, valid until Control returns; for an IN request data is nil and the
	// answer is returned, of which at most setup.Length bytes are sent. An
	// error stalls the request; a Status is passed to the host as it is.
	//
	// Requests come one at a time, on the goroutine that submitted the URB, so
	// Control must not block. No lock is held: it may use the device.
	Control(setup Setup, data []byte) ([]byte, error)
}

// HandlerFunc makes a function a Handler.
type HandlerFunc func(setup Setup, data []byte) ([]byte, error)

// Control calls f.
func (f HandlerFunc) Control(setup Setup, data []byte) ([]byte, error) { return f(setup, data) }

// Device is a USB peripheral: descriptors, the default control pipe and
// endpoints. It implements Port for the host; In, Out, Plug and Unplug are for
// the function. All methods may be called from any goroutine.
type Device struct {
	descriptors Descriptors
	encoded     *encoded
	microsoft   []byte // Microsoft OS 2.0 descriptor set
	handler     Handler
	endpoints   map[uint8]*endpoint // every address of every configuration

	mu            sync.Mutex // guards what follows, and the state of the endpoints
	unplugged     bool
	gone          chan struct{}  // closed when the device unplugs; nil = no host is connected
	lost          bool           // gone is closed: the host holds a device that left
	configuration *Configuration // nil = not configured
	alternates    []uint8        // by interface number, of the configuration
	functionWake  []bool         // by interface number: may wake the host (SuperSpeed)
	features      uint8          // that the host enabled, as bits of GET_STATUS
	frame         uint64         // time of the bus, in frames (full speed) or microframes
	control       queue          // control URBs that wait for the one being carried out
	controlBusy   bool           // a goroutine is carrying out control URBs
	scratch       [2]byte        // data stage of short standard requests
	finished      queue          // URBs with a result whose Done has not been called
	delivering    bool           // a goroutine is calling Done
}

var _ Port = (*Device)(nil)

// NewDevice returns a device that is plugged in and has no host. A nil handler
// stalls every request that is not standard. The error wraps ErrDescriptors.
// The slices in d must not be changed afterwards.
func NewDevice(d Descriptors, h Handler) (*Device, error) {
	if err := d.validate(); err != nil {
		return nil, err
	}
	dev := &Device{
		descriptors: d,
		encoded:     encode(&d),
		microsoft:   encodeMicrosoft(&d),
		handler:     h,
		endpoints:   map[uint8]*endpoint{},
	}
	for _, c := range d.Configurations {
		for _, f := range c.Interfaces {
			for _, p := range f.Endpoints {
				dev.addEndpoint(p)
			}
		}
	}
	return dev, nil
}

// addEndpoint makes the endpoint that p describes. Several settings may describe
// one address.
func (d *Device) addEndpoint(p Endpoint) {
	e := d.endpoints[p.Address]
	if e == nil {
		e = newEndpoint(d, p.Address)
		d.endpoints[p.Address] = e
	}
	if p.Type == Isochronous {
		e.mayBeIso = true
	} else {
		e.mayQueue = true
	}
}

// In returns the bulk or interrupt IN endpoint with the given address (bit 7
// set), or nil if no configuration has it. For isochronous ones see Source.
func (d *Device) In(address uint8) *InEndpoint {
	if e := d.endpoints[address]; e != nil && e.mayQueue && address&DirIn != 0 {
		return (*InEndpoint)(e)
	}
	return nil
}

// Out returns the bulk or interrupt OUT endpoint with the given address (bit 7
// clear), or nil if no configuration has it. For isochronous ones see Sink.
func (d *Device) Out(address uint8) *OutEndpoint {
	if e := d.endpoints[address]; e != nil && e.mayQueue && address&DirIn == 0 {
		return (*OutEndpoint)(e)
	}
	return nil
}

// Descriptors returns what NewDevice was given. It must not be changed.
func (d *Device) Descriptors() Descriptors { return d.descriptors }

// Identity implements Port.
func (d *Device) Identity() Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &d.descriptors
	id := Identity{
		Unplugged: d.unplugged,
		Speed:     s.Speed, Vendor: s.Vendor, Product: s.Product, Release: s.Release,
		Class: s.Class, SubClass: s.SubClass, Protocol: s.Protocol,
		Configurations: uint8(len(s.Configurations)),
	}
	c := &s.Configurations[0]
	if d.configuration != nil {
		c = d.configuration
		id.Configuration = c.Value
	}
	for _, f := range c.Interfaces {
		if f.Alternate == 0 {
			id.Interfaces = append(id.Interfaces, InterfaceClass{f.Class, f.SubClass, f.Protocol})
		}
	}
	return id
}

// Connect implements Port.
func (d *Device) Connect() (<-chan struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.unplugged:
		return nil, ErrNoDevice
	case d.gone != nil:
		return nil, ErrBusy
	}
	d.gone = make(chan struct{})
	return d.gone, nil
}

// Disconnect implements Port.
func (d *Device) Disconnect() {
	d.mu.Lock()
	defer d.release()
	if d.gone != nil {
		d.shutDown()
		d.gone, d.lost = nil, false
	}
}

// Unplug takes the device off the bus: a connected host is told, its pending
// URBs end with ESHUTDOWN, and no host can connect until Plug.
func (d *Device) Unplug() {
	d.mu.Lock()
	defer d.release()
	d.unplugged = true
	d.shutDown()
	if d.gone != nil && !d.lost {
		d.lost = true
		close(d.gone)
	}
}

// Plug brings an unplugged device back. A host that was connected when the
// device unplugged has to disconnect before the device can be used again.
func (d *Device) Plug() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unplugged = false
}

// shutDown returns the device to the unconfigured state.
func (d *Device) shutDown() {
	d.configure(nil)
	d.features = 0
	for u := d.control.pop(); u != nil; u = d.control.pop() {
		d.finish(u, 0, ESHUTDOWN)
	}
}

// Submit implements Port.
func (d *Device) Submit(u *URB) {
	d.mu.Lock()
	defer d.release()
	e, iso := d.endpoints[u.Endpoint], u.Packets != nil
	switch status := u.Prepare(); {
	case d.gone == nil || d.lost:
		d.finish(u, 0, ENODEV)
	case status != OK:
		d.finish(u, 0, status)
	case u.Number() == 0 && !iso:
		d.control.push(u)
		d.runControl()
	case u.Number() != 0 && (e == nil || !e.active || e.halted):
		d.finish(u, 0, EPIPE)
	case u.Number() == 0 || iso != (e.is.Type == Isochronous):
		d.finish(u, 0, EINVAL)
	case iso:
		e.urbs.push(u)
		e.runIso()
	default:
		e.urbs.push(u)
		e.arrived()
	}
}

// Cancel implements Port.
func (d *Device) Cancel(u *URB) {
	d.mu.Lock()
	defer d.release()
	if u.in != nil && u.in != &d.finished {
		u.in.remove(u)
		d.finish(u, 0, ECONNRESET)
	}
}

// finish settles u, which is in no queue, and leaves the call of Done to release.
func (d *Device) finish(u *URB, actual int, status Status) {
	u.settle(actual, status)
	d.finished.push(u)
}

// release unlocks d and calls Done for the URBs that have finished. One
// goroutine at a time does so, for all: that keeps the order in which they
// finished, and a Done that submits again does not nest.
func (d *Device) release() {
	if !d.delivering {
		d.delivering = true
		for u := d.finished.pop(); u != nil; u = d.finished.pop() {
			d.mu.Unlock()
			u.Done(u)
			d.mu.Lock()
		}
		d.delivering = false
	}
	d.mu.Unlock()
}
