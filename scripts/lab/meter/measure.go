package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"usbhsm7/scripts/lab/usbfs"
	"usbhsm7/usbip/usb"
)

// load is what a device is made to do.
type load struct {
	name  string
	depth int // URBs in flight
	size  int // what each of them transfers, in bytes
	urb   func(t target, size int) *usbfs.URB
}

const (
	small = 18 // the device descriptor
	large = 16 << 10
)

var loads = []load{
	{"control-18/depth=1", 1, small, target.control},
	{"control-18/depth=16", 16, small, target.control},
	{"bulk-in-16k/depth=1", 1, large, target.read},
	{"bulk-out-16k/depth=1", 1, large, target.write},
	{"bulk-in-16k/depth=16", 16, large, target.read},
	{"bulk-out-16k/depth=16", 16, large, target.write},
}

// target is a device to be measured.
type target struct {
	*usbfs.Device
	in, out uint8 // its bulk endpoints
}

func open(node string) (target, error) {
	d, err := usbfs.Open(node)
	if err != nil {
		return target{}, err
	}
	t := target{Device: d}
	if err := t.prepare(); err != nil {
		d.Close()
		return target{}, fmt.Errorf("%s: %w", node, err)
	}
	return t, nil
}

func (t *target) prepare() error {
	raw := make([]byte, 1024)
	n, err := t.Control(usbfs.Setup{
		RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorConfiguration << 8, Length: uint16(len(raw)),
	}, raw)
	if err != nil {
		return err
	}
	if t.in, t.out = bulkEndpoints(raw[:n]); t.in == 0 || t.out == 0 {
		return fmt.Errorf("no source and sink in the configuration % x", raw[:n])
	}
	return t.Claim(0)
}

// bulkEndpoints returns the addresses of the first bulk endpoints in a
// configuration descriptor and what follows it, each of which begins with its
// length and type.
func bulkEndpoints(raw []byte) (in, out uint8) {
	for len(raw) >= 4 && raw[0] >= 2 && int(raw[0]) <= len(raw) {
		if address := raw[2]; raw[1] == usb.DescriptorEndpoint && usb.EndpointType(raw[3]&3) == usb.Bulk {
			switch {
			case address&usb.DirIn != 0 && in == 0:
				in = address
			case address&usb.DirIn == 0 && out == 0:
				out = address
			}
		}
		raw = raw[raw[0]:]
	}
	return in, out
}

// control asks for the device descriptor, which usbfs does not answer itself.
func (t target) control(size int) *usbfs.URB {
	return usbfs.NewControl(usbfs.Setup{
		RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8, Length: uint16(size),
	})
}

func (t target) read(size int) *usbfs.URB {
	return usbfs.NewURB(usbfs.Bulk, t.in, make([]byte, size))
}

func (t target) write(size int) *usbfs.URB {
	return usbfs.NewURB(usbfs.Bulk, t.out, make([]byte, size))
}

// sample is a line of the output.
type sample struct {
	Node int     `json:"node"` // counts from 0
	Load string  `json:"load"`
	Run  int     `json:"run"`
	Rate float64 `json:"rate"` // URBs a second
}

// measure gives each device a slice of time with a load, one after the other,
// and so on. A first round warms up and is not told.
func measure(args []string) error {
	flags := flag.NewFlagSet("measure", flag.ContinueOnError)
	runs := flags.Int("runs", 7, "slices for each device and load")
	slice := flags.Duration("slice", 400*time.Millisecond, "length of a slice")
	only := flags.String("only", "", "the one load to measure with; empty: all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(loads), func(l load) bool { return *only != "" && l.name != *only })
	if len(chosen) == 0 {
		return fmt.Errorf("there is no load %q", *only)
	}
	targets := make([]target, flags.NArg())
	for i, node := range flags.Args() {
		t, err := open(node)
		if err != nil {
			return err
		}
		defer t.Close()
		targets[i] = t
	}
	out := json.NewEncoder(os.Stdout)
	for _, l := range chosen {
		for run := range *runs + 1 {
			for i, t := range targets {
				rate, err := t.rate(l, *slice)
				if err != nil {
					return fmt.Errorf("%s with %s: %w", flags.Arg(i), l.name, err)
				}
				if run == 0 {
					continue
				}
				if err := out.Encode(sample{i, l.name, run, rate}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rate keeps as many URBs in flight as the load says for a slice of time, and
// waits for the last ones.
func (t target) rate(l load, slice time.Duration) (float64, error) {
	began := time.Now()
	for range l.depth {
		if err := t.Submit(l.urb(t, l.size)); err != nil {
			return 0, err
		}
	}
	count, done := 0, make([]*usbfs.URB, 0, l.depth)
	for flying := l.depth; flying > 0; {
		var err error
		if done, err = t.reap(done[:0], l.size); err != nil {
			return 0, err
		}
		count += len(done)
		if time.Since(began) > slice {
			flying -= len(done)
			continue
		}
		for _, u := range done {
			if err := t.Submit(u); err != nil {
				return 0, err
			}
		}
	}
	return float64(count) / time.Since(began).Seconds(), nil
}

// reap waits for a URB and appends it to done, with all that have ended by then:
// as with libusb, that is one wait however many there are.
func (t target) reap(done []*usbfs.URB, size int) ([]*usbfs.URB, error) {
	u, err := t.Reap()
	for ; err == nil && u != nil; u, err = t.ReapNow() {
		if err := u.Err(); err != nil {
			return nil, err
		}
		if u.Actual() != size {
			return nil, fmt.Errorf("%d of %d bytes were transferred", u.Actual(), size)
		}
		done = append(done, u)
	}
	return done, err
}
