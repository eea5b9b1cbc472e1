package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"

	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/scripts/lab"
	"usbhsm7/usbip/gadgetzero"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

// What uploads of firmware are set beside: as much data of any kind, to a device that
// throws it away, by the same way.
const (
	bulkLoad   = "bulk-out-16k/depth=16"
	uploadLoad = "update-1m"
	uploadAim  = 0.5
)

// outside is a server in this process with an HSM and a Gadget Zero, as users have
// them: what computes in the HSM is not slowed down by emulation.
type outside struct {
	hsm, sink *peer
	close     func()
}

const (
	hsmSerial = "7000042"
	hsmBusID  = "1-1"
	sinkBusID = "1-2"
)

func serveOutside(ctx context.Context) (*outside, error) {
	chip, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		return nil, err
	}
	hsm, err := device.New(device.Config{Flash: chip, Serial: hsmSerial})
	if err != nil {
		return nil, err
	}
	sink, err := gadgetzero.New(gadgetzero.Options{Speed: usb.SpeedHigh})
	if err != nil {
		return nil, err
	}
	s := server.New(server.Options{})
	if err := s.Export(hsmBusID, hsm.USB()); err != nil {
		return nil, err
	}
	if err := s.Export(sinkBusID, sink.USB()); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp4", loopback+"0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	address := net.JoinHostPort(lab.HostAddress, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	return &outside{
		hsm: &peer{"an HSM", address, hsmBusID}, sink: &peer{"a device that throws it away", address, sinkBusID},
		close: func() {
			stop()
			<-ended
			sink.Close()
			_ = hsm.Close() // its host was cut off
		},
	}, nil
}

// measureUploads measures uploads of firmware to an HSM outside of the guest against
// bulk transfers to a sink there, and adds to the report.
func (g guest) measureUploads(ctx context.Context, m *lab.Machine, r *report) error {
	o, err := serveOutside(ctx)
	if err != nil {
		return err
	}
	defer o.close()
	if _, err := m.Exec(ctx, meterPath, "attach", o.hsm.address, o.hsm.busID); err != nil {
		return fmt.Errorf("%s: %w", o.hsm.name, err)
	}
	node, err := m.Exec(ctx, meterPath, "attach", o.sink.address, o.sink.busID)
	if err != nil {
		return fmt.Errorf("%s: %w", o.sink.name, err)
	}
	var uploads, bulk []float64
	for range g.runs {
		theirs, err := meter(ctx, m, "measure", "-runs", "1", "-slice", g.slice.String(), "-only", bulkLoad, strings.TrimSpace(node.Stdout))
		if err != nil {
			return err
		}
		ours, err := meter(ctx, m, "upload", "-runs", "3", hsmSerial)
		if err != nil {
			return err
		}
		bulk = append(bulk, theirs[0].Rate)
		uploads = append(uploads, median(rates(ours, uploadLoad, 0)))
	}
	x := compare(uploads, bulk)
	x.Name, x.Against, x.Aim = path.Join(g.name, "tcp", uploadLoad), "bulk OUT to "+o.sink.name, uploadAim
	r.Results = append(r.Results, x)
	fmt.Println(x)
	return nil
}

// meter runs the meter in the guest and returns what it measured.
func meter(ctx context.Context, m *lab.Machine, args ...string) (samples []sample, err error) {
	measured, err := m.Exec(ctx, append([]string{meterPath}, args...)...)
	if err != nil {
		return nil, err
	}
	for decoder := json.NewDecoder(strings.NewReader(measured.Stdout)); decoder.More(); {
		var s sample
		if err := decoder.Decode(&s); err != nil {
			return nil, err
		}
		samples = append(samples, s)
	}
	return samples, nil
}
