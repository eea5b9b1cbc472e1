// Bench measures this project's USB/IP server against those of the kernel, in
// one guest of the lab, through the same vhci_hcd and usbfs, in turn. It writes
// the raw figures as JSON.
//
//	go run ./scripts/lab/bench -out build/lab-bench.json
//	go run ./scripts/lab/bench -short -guest virtual
//
// Every figure is a rate, so more is better, and ratio is ours divided by
// theirs. On both sides is a source and sink of bulk data: Gadget Zero behind
// our server, the kernel's function driver SourceSink behind its own.
//
// All of it is done in several guests. In the one called virtual an instruction
// takes a nanosecond, so it measures instructions, and timers against them, the
// same on every host. The others go by the host's clock, at whose mercy they
// are: the kernel's usbip-vudc waits for a timer, which a busy host does not
// slow down as it does all others.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"usbhsm7/scripts/lab"
)

func main() {
	out := flag.String("out", "", "file to write the report to")
	short := flag.Bool("short", false, "few and short runs: does everything work?")
	only := flag.String("guest", "", "measure only in this guest: virtual, one-processor or two-processors")
	requests := flag.Int("requests", 16<<10, "length of the requests that the kernel's function driver makes, in bytes: 16 KiB suits its servers best, 4096 is what it takes by itself")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, *only, *short, *requests); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, only string, short bool, requests int) error {
	commit, err := lab.Commit(ctx)
	if err != nil {
		return err
	}
	r := report{Commit: commit}
	for _, g := range guests {
		if !g.wanted(only) {
			continue
		}
		g.requests = requests
		if short {
			g.runs, g.slice = 1, shortSlice
		}
		if err := g.measure(ctx, &r); err != nil {
			return fmt.Errorf("guest %s: %w", g.name, err)
		}
	}
	if len(r.Results) == 0 {
		return fmt.Errorf("no guest is called %q", only)
	}
	if out == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(data, '\n'), 0o644)
}
