package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"usbhsm7/scripts/lab"
	"usbhsm7/usbip/gadgetzero"
)

// guest is a machine to measure in, and says how long and how often.
type guest struct {
	name       string
	processors int
	virtual    bool // its clock counts instructions
	asked      bool // only where the flag -guest asks for it
	runs       int
	slice      time.Duration
	requests   int // length of the requests of the kernel's function driver, in bytes
}

var guests = []guest{
	{name: "virtual", processors: 1, virtual: true, runs: 3, slice: 100 * time.Millisecond},
	{name: "one-processor", processors: 1, runs: 5, slice: 300 * time.Millisecond},
	{name: "two-processors", processors: 2, asked: true, runs: 5, slice: 300 * time.Millisecond},
}

// wanted reports whether to measure in g, where only may name one guest.
func (g guest) wanted(only string) bool {
	return g.name == only || only == "" && !g.asked
}

const shortSlice = 50 * time.Millisecond

// peer is a server that is measured, with the address and the bus ID of its
// device.
type peer struct{ name, address, busID string }

// The peers, by their place in the output of the meter.
const (
	oursTCP = iota
	oursUnix
	vudc
	usbipHost
	peerCount
)

const (
	meterPath  = "/usr/bin/meter"
	loopback   = "127.0.0.1:"
	ownPort    = 3250
	hostPort   = 3240
	gadgetPort = 3241
	unixSocket = "unix:/run/gadgetzero.sock"
)

// boot starts the guest with all servers in it.
func (g guest) boot(ctx context.Context) (m *lab.Machine, peers [peerCount]peer, err error) {
	meter, err := lab.GoBuild(ctx, "./scripts/lab/meter")
	if err != nil {
		return nil, peers, err
	}
	m, err = lab.Boot(ctx, lab.Config{
		Files:      []lab.File{{Path: meterPath, Source: meter}},
		Modules:    []string{"vhci_hcd", "usbip_host", "usbip_vudc", "dummy_hcd", "usb_f_ss_lb"},
		Processors: g.processors, VirtualTime: g.virtual,
	})
	if err != nil {
		return nil, peers, err
	}
	if peers, err = serve(ctx, m, g.requests); err != nil {
		m.Close()
	}
	return m, peers, err
}

// serve starts every server.
func serve(ctx context.Context, m *lab.Machine, requests int) (peers [peerCount]peer, err error) {
	busID, err := serveKernels(ctx, m, requests)
	if err != nil {
		return peers, err
	}
	own := loopback + strconv.Itoa(ownPort)
	if err := serveOurs(ctx, m, own, unixSocket); err != nil {
		return peers, err
	}
	const ownBusID = "1-1"
	peers[oursTCP] = peer{"ours over TCP", own, ownBusID}
	peers[oursUnix] = peer{"ours over AF_UNIX", unixSocket, ownBusID}
	peers[vudc] = peer{"the kernel's usbip-vudc", loopback + strconv.Itoa(gadgetPort), "usbip-vudc.0"}
	peers[usbipHost] = peer{"the kernel's usbip-host over dummy_hcd", loopback + strconv.Itoa(hostPort), busID}
	return peers, nil
}

// serveKernels starts the kernel's servers, and returns the bus ID of the
// gadget behind usbip-host.
func serveKernels(ctx context.Context, m *lab.Machine, requests int) (busID string, err error) {
	for _, controller := range []string{"dummy_udc.0", "usbip-vudc.0"} {
		if err := m.Plug(ctx, lab.Gadget{
			Name: controller, Controller: controller, Vendor: gadgetzero.Vendor, Product: gadgetzero.Product,
			Serial: controller, Functions: []string{"SourceSink"}, Transfer: requests,
		}); err != nil {
			return "", err
		}
	}
	if busID, err = m.Bind(ctx, gadgetzero.Vendor, gadgetzero.Product); err != nil {
		return "", err
	}
	if err := m.Serve(ctx, hostPort, lab.BoundDevices); err != nil {
		return "", err
	}
	return busID, m.Serve(ctx, gadgetPort, lab.Gadgets)
}

// serveOurs starts our server, which lives as long as the machine, and waits
// until it serves.
func serveOurs(ctx context.Context, m *lab.Machine, addresses ...string) error {
	serving := make(firstWrite)
	p, err := m.Start(ctx, lab.Command{Argv: append([]string{meterPath, "serve"}, addresses...), Stdout: serving})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		_, err := p.Wait()
		ended <- err
	}()
	select {
	case <-serving:
		return nil
	case err := <-ended:
		return fmt.Errorf("our server ended: %w", err)
	}
}

// firstWrite is closed by the first write.
type firstWrite chan struct{}

func (f firstWrite) Write(p []byte) (int, error) {
	select {
	case <-f:
	default:
		close(f)
	}
	return len(p), nil
}

// sample is a line of the meter's output.
type sample struct {
	Node int
	Load string
	Run  int
	Rate float64
}

// sample attaches the peers' devices and measures them.
func (g guest) sample(ctx context.Context, m *lab.Machine, peers [peerCount]peer) ([]sample, error) {
	argv := []string{"measure", "-runs", strconv.Itoa(g.runs), "-slice", g.slice.String()}
	for _, peer := range peers {
		attached, err := m.Exec(ctx, meterPath, "attach", peer.address, peer.busID)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", peer.name, err)
		}
		argv = append(argv, strings.TrimSpace(attached.Stdout))
	}
	return meter(ctx, m, argv...)
}
