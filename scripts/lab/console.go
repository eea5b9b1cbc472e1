package lab

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

// consoleLimit bounds what is kept of the console: its newest bytes.
const consoleLimit = 1 << 20

// console keeps what the guest prints on its serial line. The zero value is
// ready for use.
type console struct {
	mu   sync.Mutex
	text []byte
}

// Write keeps p. It never fails.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, p...)
	if excess := len(c.text) - consoleLimit; excess > 0 {
		c.text = append(c.text[:0], c.text[excess:]...)
	}
	return len(p), nil
}

// String returns what was kept, without carriage returns.
func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(bytes.ReplaceAll(c.text, []byte("\r"), nil))
}

// tail returns the last n lines.
func (c *console) tail(n int) string {
	lines := strings.Split(strings.TrimSpace(c.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// complaint matches the kernel's words for a defect of its own, for a peer that
// broke the USB/IP protocol, and for a device whose descriptors or answers it
// does not like.
var complaint = regexp.MustCompile(strings.Join([]string{
	`\bBUG\b`, `\bOops\b`, `WARNING:`, `Call Trace`, `Kernel panic`, `general protection`, `unable to handle`,
	`blocked for more than`, `possible deadlock`, `UBSAN`, `refcount_t`, `list_(add|del) corruption`,
	`cannot find a urb`, `unknown pdu`, `recv xbuf`, `total length of iso`, `number_of_packets`,
	`unlink.*error`, `errors out of`, `subtest \d+ error`, `recv a (header|invalid)`,
	`device descriptor read`, `device not accepting`, `unable to enumerate`, `unable to read config`, `can't set config`,
	`nvalid (ep0 )?maxpacket`, `invalid wMaxPacketSize`, `invalid descriptor`, `has an invalid`, `too many (endpoints|interfaces|configurations)`,
	`config \d+ .*(skipping|unexpected|changing to|setting to)`, `SuperSpeed.* companion`, `skipping BOS`,
	`string descriptor 0 (read error|malformed)`, `unable to get BOS`,
}, "|"))

// findComplaints returns the lines of text that are complaints, each once,
// without the time stamps that dmesg and the console add.
func findComplaints(text string) []string {
	var found []string
	seen := make(map[string]bool)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(stamp.ReplaceAllString(line, ""))
		if complaint.MatchString(line) && !seen[line] {
			seen[line] = true
			found = append(found, line)
		}
	}
	return found
}

var stamp = regexp.MustCompile(`^(<\d+>)?\[ *\d+\.\d+\] ?`)
