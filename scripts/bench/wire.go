package main

import (
	"cmp"
	"fmt"

	"usbhsm7/usbip/usb"
)

// bulkSize is the transfer size of the bulk cases, and what libusb makes of
// long transfers.
const bulkSize = 16 << 10

// headerSize is that of every USB/IP message of the URB phase, and of each
// message of the bare ping-pong.
const headerSize = 48

// queued is how many URBs are under way in the cases that measure how fast
// data moves, and many is the same for requests.
const (
	queued = 16
	many   = 32
)

// hostKind is who the server talks to: a host that does no more than a bare
// ping-pong, which shows what the server costs, or the client of this project,
// whose callers wait for a goroutine that reads for all.
type hostKind struct {
	name string
	aim  float64 // of one round trip at a time, against the ping-pong; 0 = none
	load func(w *wire, network string, u usb.URB, depth int) (load, error)
}

var hostKinds = []hostKind{{"server", 0.85, (*wire).rawLoad}, {"client", 0, (*wire).clientLoad}}

// wireCases measure URBs over USB/IP against bare exchanges over TCP.
func wireCases(plan) ([]benchCase, func(), error) {
	w, err := newWire()
	if err != nil {
		return nil, nil, err
	}
	var cases []benchCase
	for _, kind := range hostKinds {
		b := builder{wire: w, kind: kind}
		cases = append(cases, b.cases()...)
		err = cmp.Or(err, b.err)
	}
	if err != nil {
		w.close()
		return nil, nil, err
	}
	return cases, w.close, nil
}

// builder makes the cases of one kind of host. Its first error stays.
type builder struct {
	wire *wire
	kind hostKind
	err  error
}

func (b *builder) cases() []benchCase {
	name := func(what string) string { return fmt.Sprintf("usbip/%s/%s", b.kind.name, what) }
	one := b.load("tcp", control(), 1)
	pingPong, stream := b.bare(b.wire.pingPong), b.bare(b.wire.stream)
	return []benchCase{
		comparison{name("control-18/depth=1"), "round trips", "a bare 48-byte ping-pong over TCP", b.kind.aim, one, pingPong},
		comparison{name("control-18/depth=32"), "round trips", "the same at depth 1", 2, b.load("tcp", control(), many), one},
		comparison{name("control-18/depth=1/unix"), "round trips", "the same over TCP", 1.3, b.load("unix", control(), 1), one},
		comparison{name("bulk-in-16k/depth=16"), "MB", "a bare TCP stream of 16 KiB writes", 0.5, b.load("tcp", bulkIn(), queued), stream},
		comparison{name("bulk-out-16k/depth=16"), "MB", "a bare TCP stream of 16 KiB writes", 0, b.load("tcp", bulkOut(), queued), stream},
		tail{name("control-18/depth=1/p99"), 5, one},
		allocations(name("control-18/depth=1/allocations"), one),
	}
}

func (b *builder) load(network string, u usb.URB, depth int) load {
	l, err := b.kind.load(b.wire, network, u, depth)
	b.err = cmp.Or(b.err, err)
	if u.Number() != 0 {
		l.units = max(l.units, 1) * float64(len(u.Buffer)) / 1e6
	}
	return l
}

func (b *builder) bare(open func() (load, error)) load {
	l, err := open()
	b.err = cmp.Or(b.err, err)
	return l
}

func control() usb.URB {
	return usb.URB{
		Endpoint: 0x80, Buffer: make([]byte, 18),
		Setup: usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8, Length: 18},
	}
}

func bulkIn() usb.URB { return usb.URB{Endpoint: 0x81, Buffer: make([]byte, bulkSize)} }

// bulkOut is one transfer, since its last packet is a short one.
func bulkOut() usb.URB { return usb.URB{Endpoint: 0x01, Buffer: make([]byte, bulkSize-1)} }
