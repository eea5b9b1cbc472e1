package server_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"usbhsm7/usbip/usb"
)

// script is a schedule: what host, device and function do, one step after the
// other. As text it has a step on each line; that is how a failing schedule is
// printed and kept (testdata/schedules).
type script []step

// step is a verb with up to three numbers.
type step struct {
	verb string
	args [3]int
}

// verb is a word of the language.
type verb struct {
	name   string
	weight int      // how often a random schedule has it
	args   []choice // what a random schedule gives it
	do     func(r *run, a [3]int)
}

// choice lists the values of an argument, the simplest first.
type choice []int

var (
	all = choice{
		0x81, 0x01, 0x82, 0x02, 0x83, 0x03, 0x84, 0x04, 0x85, 0x05, 0x86, 0x06, 0x87, 0x07, 0x88, 0x08,
		0x89, 0x09, 0x8a, 0x0a, 0x8b, 0x0b, 0x8c, 0x0c, 0x8d, 0x0d, 0x8e, 0x0e, 0x8f, 0x0f, 0x80, 0x00,
	}
	// endpoints has all 32, and half of the time one of four, where more meets.
	endpoints    = append(slices.Repeat(all[:4], 8), all...)
	inEndpoints  = endpoints.only(func(address int) bool { return address > usb.DirIn })
	outEndpoints = endpoints.only(func(address int) bool { return address > 0 && address < usb.DirIn })
	dataOnes     = endpoints.only(func(address int) bool { return address&0x0f != 0 })
	isoEndpoints = choice{0x8b, 0x0b, 0x8c, 0x0c, 0x8d, 0x0d, 0x8e, 0x0e, 0x8f, 0x0f, 0x81}
	lengths      = choice{4, 512, 512, 1024, 0, 8, 64, 60, 68, 508, 516, 1536, 3000, 4096, 16384}
	counts       = choice{1, 1, 2, 3, 8, 40}
	ages         = choice{0, 1, 2, 5, 20, 100}
)

func (c choice) only(keep func(int) bool) (list choice) {
	for _, n := range c {
		if keep(n) {
			list = append(list, n)
		}
	}
	return list
}

// verbs is the language. A host that has no device does nothing but plug and
// import.
var verbs = []verb{
	{"submit", 30, []choice{endpoints, lengths, counts}, (*run).submit},             // endpoint, length, how many
	{"cancel", 14, []choice{ages, counts}, (*run).cancel},                           // the n-th last pending URB, and how many before it
	{"write", 20, []choice{inEndpoints, lengths, counts}, (*run).write},             // the function sends transfers
	{"read", 16, []choice{outEndpoints, {4096, 64, 512}, counts}, (*run).read},      // the function receives transfers
	{"stream", 12, []choice{isoEndpoints, {1, 2, 8, 32}, {1, 2, 8}}, (*run).stream}, // endpoint, packets, how many URBs
	{"wait", 12, nil, (*run).wait},                                                  // until nothing moves
	{"halt", 1, []choice{dataOnes}, (*run).halt},                                    // by the function
	{"stall", 1, []choice{endpoints}, (*run).stall},                                 // by the host: SET_FEATURE
	{"clear", 6, []choice{endpoints}, (*run).clear},                                 // CLEAR_FEATURE
	{"configure", 1, []choice{{1, 1, 0, 2}}, (*run).configure},
	{"interface", 2, []choice{{2, 1, 0}, {2, 0, 1}}, (*run).setInterface},
	{"reset", 1, nil, (*run).reset},                          // the port
	{"refuse", 1, []choice{{0, 1}, lengths}, (*run).refused}, // a control request, IN or OUT, that stalls
	{"hold", 3, nil, (*run).hold},                            // UNLINKs overtake SUBMITs
	{"release", 5, nil, (*run).release},
	{"twice", 1, []choice{{1, 0}}, (*run).twice}, // UNLINKs are sent again
	{"pause", 2, nil, (*run).pause},              // the host does not read
	{"resume", 5, nil, (*run).resume},
	{"later", 1, []choice{{400, 1500}}, (*run).later}, // milliseconds
	{"unplug", 1, nil, (*run).unplug},
	{"plug", 6, nil, (*run).plug},
	{"leave", 1, nil, (*run).leave},
	{"import", 8, nil, (*run).attach},
}

// deck has each verb as often as it weighs, the heaviest first.
var deck = func() (list []*verb) {
	for i := range verbs {
		for range verbs[i].weight {
			list = append(list, &verbs[i])
		}
	}
	return list
}()

func verbNamed(name string) *verb {
	i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == name })
	if i < 0 {
		return nil
	}
	return &verbs[i]
}

// drawStep makes a step of choices: pick returns one of n.
func drawStep(pick func(n int) int) step {
	v := deck[pick(len(deck))]
	s := step{verb: v.name}
	for i, c := range v.args {
		s.args[i] = c[pick(len(c))]
	}
	return s
}

// scriptOf makes a script of any bytes.
func scriptOf(b []byte) script {
	var s script
	pick := func(n int) int {
		if len(b) == 0 {
			return 0
		}
		first := int(b[0])
		b = b[1:]
		return first % n
	}
	for len(b) > 0 && len(s) < maxSteps {
		s = append(s, drawStep(pick))
	}
	return s
}

const maxSteps = 200

// String returns s as text.
func (s script) String() string {
	var b strings.Builder
	for _, step := range s {
		b.WriteString(step.verb)
		for i := range verbNamed(step.verb).args {
			fmt.Fprintf(&b, " %#x", step.args[i])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// parseScript reads the text of a script. Lines that begin with # are comments.
func parseScript(text string) (script, error) {
	var s script
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		v := verbNamed(fields[0])
		if v == nil || len(fields) != 1+len(v.args) {
			return nil, fmt.Errorf("script: cannot read %q", line)
		}
		next := step{verb: v.name}
		for i, field := range fields[1:] {
			n, err := strconv.ParseInt(field, 0, 32)
			if err != nil {
				return nil, fmt.Errorf("script: cannot read %q: %w", line, err)
			}
			next.args[i] = int(n)
		}
		s = append(s, next)
	}
	return s, nil
}
