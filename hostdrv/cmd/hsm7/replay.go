package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/record"
	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/replay"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/socket"
)

// errNotFollowed says that a host did something else than the recorded one.
var errNotFollowed = errors.New("the host did not follow the recording")

// replayFlags are the flags of hsm7 replay.
type replayFlags struct {
	listen string
	busID  string
	device string
}

func (a *app) replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use: "replay FILE", Short: "Be the device of a recording, as long as the host follows it", GroupID: "bus", Args: exactArgs(1),
		Long: `Export the device of a recording (hsm7 capture, usbhsm7 --capture, or usbmon)
over USB/IP. It answers as recorded while the host does what the recorded host
did. Ends when the host has done all of it and left, or at the first thing that
it does differently, and tells what that was.

Tags of the HSM protocol, which hosts choose at random, may differ, and so may
the name in a HELLO. Where a recording is redacted, the host may send anything
in place of the asterisks, and gets asterisks.`,
		Example: "  hsm7 capture -w session.pcapng --with-secrets\n  hsm7 replay session.pcapng --listen 127.0.0.1:3241\n  hsm7 --usbip 127.0.0.1:3241 info",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.replay(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:3240", "address to serve USB/IP on: host:port or unix:/path; port 0 picks a free one")
	flags.StringVar(&f.busID, "bus-id", "1-1", "bus ID to export the device as")
	flags.StringVar(&f.device, "device", "", "which device of the recording, as BUS.DEVICE (default the only one)")
	return cmd
}

// replay serves the device of a recording until it is over.
func (a *app) replay(ctx context.Context, path string, f replayFlags) error {
	recorded, err := loadRecord(path, f.device)
	if err != nil {
		return err
	}
	if !socket.Local(f.listen) {
		return usagef("--listen %s is reachable from other machines; replay on this one", f.listen)
	}
	listener, err := socket.Listen(ctx, f.listen, nil)
	if err != nil {
		return err
	}
	device := replay.New(recorded, record.NewRule(recorded.Redacted()))
	if err := a.serveReplay(ctx, listener, f.busID, device); err != nil {
		return err
	}
	report := device.Report()
	if err := a.print(report, func(w io.Writer) { printReplay(w, report) }); err != nil {
		return err
	}
	switch {
	case report.Divergence != nil:
		return fmt.Errorf("%w: %w", errNotFollowed, report.Divergence)
	case !report.Followed:
		return fmt.Errorf("%w to its end; next was %s", errNotFollowed, report.Waiting)
	}
	return nil
}

// serveReplay exports device until its replay is over, or ctx ends.
func (a *app) serveReplay(ctx context.Context, listener net.Listener, busID string, device *replay.Device) error {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	s := server.New(server.Options{})
	if err := s.Export(busID, device); err != nil {
		return errors.Join(usagef("--bus-id: %w", err), listener.Close())
	}
	fmt.Fprintf(a.errs, "hsm7: the recording is at %s, bus ID %s\n", socket.Name(listener.Addr()), busID)
	served := make(chan error, 1)
	go func() { served <- s.Serve(serving, listener) }()
	select {
	case <-device.Done():
		stop()
		return <-served
	case err := <-served:
		return err
	}
}

// loadRecord reads a recording.
func loadRecord(path, device string) (*replay.Record, error) {
	var o replay.Options
	if device != "" {
		bus, number, ok := strings.Cut(device, ".")
		b, errB := strconv.ParseUint(bus, 10, 16)
		d, errD := strconv.ParseUint(number, 10, 8)
		if !ok || errB != nil || errD != nil {
			return nil, usagef("--device %q is not like 1.4", device)
		}
		o.Bus, o.Device = uint16(b), uint8(d)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, usagef("%w", err)
	}
	defer file.Close()
	packets, err := capture.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	recorded, err := replay.Load(packets, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return recorded, nil
}

func printReplay(w io.Writer, r replay.Report) {
	fmt.Fprintf(w, "%d of %d transfers of the host came as recorded", r.Transfers, r.Recorded)
	if r.Unread > 0 {
		fmt.Fprintf(w, "; %d answers were not read", r.Unread)
	}
	fmt.Fprintln(w)
}
