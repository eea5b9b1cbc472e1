package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"usbhsm7/hostdrv/transport/gousb"
)

// errNoWay is what doctor ends with when no way to a device is open.
var errNoWay = errors.New("there is no way to use a device yet; what is missing stands above")

// verdict is what a check comes to.
type verdict string

const (
	good    verdict = "ok"
	bad     verdict = "missing" // the ways that need it are closed
	note    verdict = "note"    // worth knowing, needed by none
	skipped verdict = "skipped" // cannot be looked at before something else is mended
)

// finding is what a check found.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	Says    string  `json:"says"`
	Mend    string  `json:"mend,omitempty"` // what to do about it
}

// check looks at one thing.
type check struct {
	name  string
	needs []*check // looked at only if these are good
	look  func(context.Context, *patient) finding
}

// The checks. Each is made once, whatever the number of ways that need it.
var (
	checkServer     = &check{"server", nil, lookAtServer}
	checkExport     = &check{"device", []*check{checkServer}, lookAtExport}
	checkLibusb     = &check{"libusb", nil, lookAtLibusb}
	checkBus        = &check{"device on the bus", []*check{checkLibusb}, lookAtBus}
	checkNode       = &check{"permission", []*check{checkBus}, lookAtNode}
	checkRule       = &check{"udev rule", nil, lookAtRule}
	checkModule     = &check{"kernel module", nil, lookAtModule}
	checkController = &check{"permission", []*check{checkModule}, lookAtController}
	checkPorts      = &check{"free port", []*check{checkModule}, lookAtPorts}
	checkTool       = &check{"usbip tool", nil, lookAtTool}
)

// ways are the ways to use a device. One is open if none of its checks is bad or
// skipped.
var ways = []struct {
	name   string
	via    busName // which --via chooses it
	title  string
	checks []*check
}{
	{"usbip", overUSBIP, "Use a device through the built-in USB/IP client: hsm7 --via usbip", []*check{checkServer, checkExport}},
	{"usb", overUSB, "Use a device on this machine's USB bus: hsm7 --via usb", []*check{checkLibusb, checkBus, checkNode, checkRule}},
	{"attach", overUSB, "Attach a device to this machine's kernel: hsm7 attach", []*check{checkModule, checkController, checkPorts, checkServer, checkExport, checkTool}},
}

// examined is a way that was looked at.
type examined struct {
	Way      string    `json:"way"`
	Open     bool      `json:"open"`
	Findings []finding `json:"findings"`
	title    string
}

func (a *app) doctorCommand() *cobra.Command {
	var busID string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what is missing to use a device, and how to mend it", GroupID: "bus", Args: noArgs,
		Long: `Look at everything that the ways to use a device need: the USB/IP server, libusb
and permissions, and for attaching a device to the kernel its module and a free
port. Nothing is changed. The exit status is 0 if one way is open; --via looks at
the ways of that kind only.`,
		Example: "  hsm7 doctor\n  sudo hsm7 doctor --usbip unix:/run/hsm.sock\n  hsm7 doctor --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), a.timeout)
			defer cancel()
			return a.examine(ctx, &patient{where: a.where, busID: busID, bus: gousb.New()})
		},
	}
	cmd.Flags().StringVar(&busID, "bus-id", "1-1", "bus ID of the device at the USB/IP server")
	return cmd
}

// examine makes every check and prints what it found.
func (a *app) examine(ctx context.Context, p *patient) error {
	chosen, err := p.where.buses()
	if err != nil {
		return err
	}
	var result []examined
	open := false
	for _, w := range ways {
		if !slices.Contains(chosen, w.via) {
			continue
		}
		e := examined{Way: w.name, Open: true, title: w.title}
		for _, c := range w.checks {
			f := p.check(ctx, c)
			e.Findings = append(e.Findings, f)
			e.Open = e.Open && (f.Verdict == good || f.Verdict == note)
		}
		open = open || e.Open
		result = append(result, e)
	}
	err = a.print(map[string]any{"ways": result}, func(w io.Writer) { printExamined(w, result, styleOf(w)) })
	if err == nil && !open {
		err = errNoWay
	}
	return err
}

// check makes a check, or returns what it came to before.
func (p *patient) check(ctx context.Context, c *check) finding {
	if f, made := p.findings[c]; made {
		return f
	}
	if p.findings == nil {
		p.findings = map[*check]finding{}
	}
	f := finding{Verdict: skipped}
	for _, need := range c.needs {
		if p.check(ctx, need).Verdict != good {
			f.Says = "not looked at: " + need.name + " comes first"
		}
	}
	if f.Says == "" {
		f = c.look(ctx, p)
	}
	f.Check = c.name
	p.findings[c] = f
	return f
}

// style is how verdicts look: a mark and what switches its colour on and off.
type style struct {
	marks  map[verdict]string
	colour map[verdict]string
	bold   string
	off    string
}

var (
	plainMarks = map[verdict]string{good: "ok", bad: "--", note: "!", skipped: "?"}
	fineMarks  = map[verdict]string{good: "✓", bad: "✗", note: "!", skipped: "·"}
	colours    = map[verdict]string{good: "\x1b[32m", bad: "\x1b[31m", note: "\x1b[33m", skipped: "\x1b[2m"}
)

// styleOf chooses what the reader can bear: colours on a terminal, and marks
// beyond ASCII where the locale has them.
func styleOf(w io.Writer) style {
	s := style{marks: plainMarks}
	locale := environment("LC_ALL", environment("LC_CTYPE", environment("LANG", "")))
	if upper := strings.ToUpper(locale); strings.Contains(upper, "UTF-8") || strings.Contains(upper, "UTF8") {
		s.marks = fineMarks
	}
	file, isFile := w.(*os.File)
	if isFile && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == "" {
		s.colour, s.bold, s.off = colours, "\x1b[1m", "\x1b[0m"
	}
	return s
}

func printExamined(w io.Writer, result []examined, s style) {
	var open []string
	told := map[finding]bool{} // several ways share checks
	for _, e := range result {
		fmt.Fprintf(w, "%s%s%s\n", s.bold, e.title, s.off)
		for _, f := range e.Findings {
			if told[f] && f.Mend != "" {
				f.Mend = "see above"
			}
			told[f] = true
			s.print(w, f)
		}
		fmt.Fprintln(w)
		if e.Open {
			open = append(open, e.Way)
		}
	}
	if len(open) > 0 {
		fmt.Fprintf(w, "%sOpen: %s%s\n", s.bold, strings.Join(open, ", "), s.off)
	}
}

// print prints one finding.
func (s style) print(w io.Writer, f finding) {
	const column = 17 // for the name of the check
	indent := strings.Repeat(" ", column+6)
	mark := s.marks[f.Verdict]
	pad := strings.Repeat(" ", 2-len([]rune(mark))) // by hand: the mark's colour has no width
	fmt.Fprintf(w, "  %s%s%s%s %-*s %s\n", s.colour[f.Verdict], mark, s.off, pad, column, f.Check, f.Says)
	if f.Mend != "" {
		fmt.Fprintf(w, "%s-> %s\n", indent, strings.ReplaceAll(f.Mend, "\n", "\n"+indent+"   "))
	}
}
