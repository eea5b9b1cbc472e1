package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"usbhsm7/usbip/capture"
)

// captureFlags are the flags of hsm7 capture.
type captureFlags struct {
	control string
	write   string
	secrets bool
	snap    int
	packets uint64
	length  time.Duration

	rotatePackets int
	rotateSize    string
	rotateEvery   time.Duration
	keep          int
}

// captured is what hsm7 capture reports.
type captured struct {
	capture.Statistics
	Files []string `json:"files"`
}

func (a *app) captureCommand() *cobra.Command {
	var f captureFlags
	cmd := &cobra.Command{
		Use: "capture -w FILE", Short: "Record the bus of a simulated device, for Wireshark", GroupID: "device", Args: noArgs,
		Long: `Record everything on the bus of a simulated device in pcapng files, or show it
live in Wireshark, until Ctrl-C, --count, --for or the end of the simulator.

Passwords, data and keys are replaced by asterisks, unless --with-secrets is
given. What Wireshark is too slow for is dropped and counted; the device never
waits for it.`,
		Example: `  hsm7 capture -w - | wireshark -k -i -
  hsm7 capture -w trace.pcapng
  hsm7 capture -w trace.pcapng --rotate-size 10M --keep 5`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.capture(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	controlFlag(flags, &f.control)
	flags.StringVarP(&f.write, "write", "w", "", "pcapng file to write, - for the standard output")
	flags.BoolVar(&f.secrets, "with-secrets", false, "leave passwords, data and keys as they are")
	flags.IntVar(&f.snap, "snaplen", 0, "bytes to keep of a packet, with its header of 64 (default all)")
	flags.Uint64Var(&f.packets, "count", 0, "stop after this many packets")
	flags.DurationVar(&f.length, "for", 0, "stop after this long")
	flags.StringVar(&f.rotateSize, "rotate-size", "", "begin another file before this size, as 500K, 10M or 1G")
	flags.IntVar(&f.rotatePackets, "rotate-packets", 0, "begin another file after this many packets")
	flags.DurationVar(&f.rotateEvery, "rotate-every", 0, "begin another file when one covers this long")
	flags.IntVar(&f.keep, "keep", 0, "keep so many files and delete older ones (default all)")
	return cmd
}

// capture copies the simulator's stream of packets to where the flags say.
func (a *app) capture(ctx context.Context, f captureFlags) error {
	sink, files, err := a.captureSink(f)
	if err != nil {
		return err
	}
	if f.secrets {
		warnOfSecrets()
	}
	if f.length > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, f.length)
		defer stop()
	}
	total, err := f.follow(ctx, sink)
	if err != nil {
		return err
	}
	report := captured{total, files()}
	out := a.out
	if f.write == "-" {
		out = a.errs // the standard output is the capture
	}
	if a.json {
		return encodeJSON(out, report)
	}
	fmt.Fprintf(out, "%d packets, %d bytes of data, %d packets dropped", total.Packets, total.Bytes, total.Dropped)
	if len(report.Files) > 0 {
		fmt.Fprintf(out, ": %s", strings.Join(report.Files, " "))
	}
	fmt.Fprintln(out)
	return nil
}

// follow reads the simulator's stream into sink until ctx ends, the simulator
// does, or enough has been captured.
func (f captureFlags) follow(ctx context.Context, sink capture.Sink) (total capture.Statistics, err error) {
	client, err := simulatorAt(f.control)
	if err != nil {
		return total, err
	}
	query := url.Values{"secrets": {strconv.FormatBool(f.secrets)}, "snap": {strconv.Itoa(f.snap)}}
	stream, err := client.Stream(ctx, "GET", "/capture?"+query.Encode(), nil)
	if err != nil {
		return total, err
	}
	defer stream.Close()
	packets, err := capture.NewReader(stream)
	if err == nil {
		total, err = capture.Copy(sink, packets, f.packets)
	}
	switch {
	case ctx.Err() != nil, errors.Is(err, syscall.EPIPE): // stopped by the user, or Wireshark was closed
		err = nil
	case errors.Is(err, capture.ErrTruncated):
		err = nil // the simulator was killed
	}
	return total, err
}

// captureSink opens what the flags say. files tells what was written.
func (a *app) captureSink(f captureFlags) (sink capture.Sink, files func() []string, err error) {
	size, err := parseSize(f.rotateSize)
	header := capture.Header{Application: "hsm7 " + version, Interface: "usbhsm7", Redacted: !f.secrets, Snap: f.snap}
	rotate := size > 0 || f.rotatePackets > 0 || f.rotateEvery > 0
	switch {
	case err != nil:
		return nil, nil, usagef("--rotate-size: %w", err)
	case f.write == "":
		return nil, nil, usagef("where to? give -w FILE, or -w - for the standard output")
	case f.write == "-" && rotate:
		return nil, nil, usagef("the standard output cannot be rotated")
	case f.keep > 0 && !rotate:
		return nil, nil, usagef("--keep is for --rotate-size, --rotate-packets or --rotate-every")
	case f.write == "-":
		signal.Ignore(syscall.SIGPIPE) // so that the report is printed when Wireshark is closed
		w, err := capture.NewWriter(a.out, header)
		return w, func() []string { return nil }, err
	}
	w, err := capture.NewFiles(capture.FileOptions{
		Header: header, Path: f.write,
		MaxBytes: size, MaxPackets: f.rotatePackets, MaxAge: f.rotateEvery, Keep: f.keep,
	})
	if err != nil {
		return nil, nil, err
	}
	return w, w.Names, nil
}

// parseSize reads a number of bytes, with K, M or G behind it for powers of 1024.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	digits := strings.TrimRight(s, "KMGkmg")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift, known := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30}[strings.ToUpper(s[len(digits):])]
	if err != nil || n <= 0 || !known || n > 1<<62>>shift {
		return 0, fmt.Errorf("%q is not a size such as 500K, 10M or 1G", s)
	}
	return n << shift, nil
}
