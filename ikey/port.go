package ikey

import (
	"context"
	"errors"
	"sync"

	"usbhsm7/usbip/usb"
)

// ErrOccupied says that there is something in the port already.
var ErrOccupied = errors.New("there is something in the port already")

// Peripheral is what fits into the port, an iKey or not. *usb.Device is one.
type Peripheral interface {
	usb.Port
	Plug()   // it is on the bus
	Unplug() // it is gone: hosts are told, and what they asked for ends
}

// Port is the connector on the side of a unit. People put things into it and
// pull them out, whether the unit has power or not; a Reader is the unit's side
// of it. Its methods may be called from any goroutine.
type Port struct {
	turn chan struct{} // holds a token while the unit speaks to what is inside
	tag  uint8         // of the last request; belongs to who has the turn

	mu      sync.Mutex
	inside  Peripheral // nil = empty
	notices []chan<- struct{}
}

// NewPort returns an empty port.
func NewPort() *Port { return &Port{turn: make(chan struct{}, 1)} }

// Insert plugs something in, which must not be on its way out. The error is
// ErrOccupied.
func (p *Port) Insert(d Peripheral) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inside != nil {
		return ErrOccupied
	}
	d.Plug()
	p.inside = d
	p.changed()
	return nil
}

// Remove pulls out what is inside, whatever it is doing, and returns it; nil if
// the port is empty.
func (p *Port) Remove() Peripheral {
	p.mu.Lock()
	d := p.inside
	p.inside = nil
	if d != nil {
		p.changed()
	}
	p.mu.Unlock()
	if d != nil {
		d.Unplug()
	}
	return d
}

// Inside returns what is plugged in, or nil.
func (p *Port) Inside() Peripheral {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inside
}

// Notify makes the port send on c, which must have room for one token, whenever
// something is plugged in or pulled out. A token that finds no room is dropped.
func (p *Port) Notify(c chan<- struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notices = append(p.notices, c)
}

func (p *Port) changed() {
	for _, c := range p.notices {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// enter waits until nobody else speaks to what is inside.
func (p *Port) enter(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Port) leave() { <-p.turn }
