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
		Use: "capture -w FILE", Short: "Record the bus of a simulated device, for Wireshark", GroupID: "bus", Args: noArgs,
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

// capture copies the simulator's stream of packets to where the flags say, until
// the user stops it, the simulator ends, or enough has been captured.
func (a *app) capture(ctx context.Context, f captureFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.length > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, f.length)
		defer stop()
	}
	packets, end, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer end()
	sink, files, err := a.captureSink(f)
	if err != nil {
		return err
	}
	if f.secrets {
		warnOfSecrets()
	}
	fmt.Fprintln(a.errs, "hsm7: capturing; Ctrl-C stops it")
	total, err := capture.Copy(sink, packets, f.packets)
	stopped := ctx.Err() != nil                    // by the user, or --for
	closed := errors.Is(err, syscall.EPIPE)        // Wireshark has gone
	killed := errors.Is(err, capture.ErrTruncated) // the simulator has, within a packet
	if err != nil && !stopped && !closed && !killed {
		return err
	}
	return a.reportCapture(f, captured{total, files()})
}

// open asks the simulator for its packets. end lets it go.
func (f captureFlags) open(ctx context.Context) (packets *capture.Reader, end func(), err error) {
	client, err := simulatorAt(f.control)
	if err != nil {
		return nil, nil, err
	}
	query := url.Values{"secrets": {strconv.FormatBool(f.secrets)}, "snap": {strconv.Itoa(f.snap)}}
	stream, err := client.Stream(ctx, "GET", "/capture?"+query.Encode(), nil)
	if err != nil {
		return nil, nil, err
	}
	packets, err = capture.NewReader(stream)
	if err != nil {
		return nil, nil, errors.Join(err, stream.Close())
	}
	return packets, func() { _ = stream.Close() }, nil
}

// reportCapture says what was captured; on the standard error if the standard
// output is the capture.
func (a *app) reportCapture(f captureFlags, c captured) error {
	out := a.out
	if f.write == "-" {
		out = a.errs
	}
	if a.json {
		return encodeJSON(out, c)
	}
	fmt.Fprintf(out, "%d packets, %d bytes of data, %d packets dropped", c.Packets, c.Bytes, c.Dropped)
	if len(c.Files) > 0 {
		fmt.Fprintf(out, ": %s", strings.Join(c.Files, " "))
	}
	fmt.Fprintln(out)
	return nil
}

// check finds what is wrong with the flags taken together.
func (f captureFlags) check() error {
	_, err := parseSize(f.rotateSize)
	rotate := f.rotateSize != "" || f.rotatePackets > 0 || f.rotateEvery > 0
	switch {
	case err != nil:
		return usagef("--rotate-size: %w", err)
	case f.write == "":
		return usagef("where to? give -w FILE, or -w - for the standard output")
	case f.write == "-" && rotate:
		return usagef("the standard output cannot be rotated")
	case f.keep > 0 && !rotate:
		return usagef("--keep is for --rotate-size, --rotate-packets or --rotate-every")
	case f.snap < 0 || f.rotatePackets < 0 || f.rotateEvery < 0 || f.keep < 0:
		return usagef("a limit cannot be negative")
	}
	return nil
}

// captureSink opens what the flags say. files tells what was written.
func (a *app) captureSink(f captureFlags) (sink capture.Sink, files func() []string, err error) {
	header := capture.Header{Application: "hsm7 " + version, Interface: "usbhsm7", Redacted: !f.secrets, Snap: f.snap}
	if f.write == "-" {
		signal.Ignore(syscall.SIGPIPE) // so that the report is printed when Wireshark is closed
		w, err := capture.NewWriter(a.out, header)
		return w, func() []string { return nil }, err
	}
	size, err := parseSize(f.rotateSize)
	if err != nil {
		return nil, nil, err
	}
	w, err := capture.NewFiles(capture.FileOptions{
		Header: header, Path: f.write,
		MaxBytes: size, MaxPackets: f.rotatePackets, MaxAge: f.rotateEvery, Keep: f.keep,
	})
	if err != nil {
		return nil, nil, usagef("-w: %w", err)
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
