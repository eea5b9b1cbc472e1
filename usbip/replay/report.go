package replay

import (
	"fmt"
	"strings"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
)

// Report tells how far a host has followed the recording.
type Report struct {
	Followed   bool        `json:"followed"`             // to the end
	Transfers  int         `json:"transfers"`            // control and OUT transfers that came as recorded
	Recorded   int         `json:"recorded"`             // that there are
	Unread     int         `json:"unread"`               // answers that the host did not ask for
	Waiting    string      `json:"waiting,omitempty"`    // what should come next
	Divergence *Divergence `json:"divergence,omitempty"` // the first, which ended the replay
}

// Divergence is the first thing that a host did differently.
type Divergence struct {
	Packet   int    `json:"packet"`         // number in the file, as Wireshark shows it; 0 = behind the last
	Expected string `json:"expected"`       // what the recorded host did
	Got      string `json:"got"`            // what this one did
	Byte     int    `json:"byte"`           // index of the first byte that differs; -1 where it is not the data
	Diff     string `json:"diff,omitempty"` // that byte in its row, as recorded and as it came
}

// Error describes the divergence; a *Divergence can be used as an error.
func (v *Divergence) Error() string {
	where := "behind the last packet"
	if v.Packet > 0 {
		where = fmt.Sprintf("at packet %d", v.Packet)
	}
	text := fmt.Sprintf("the host leaves the recording %s: expected %s, got %s", where, v.Expected, v.Got)
	if v.Diff != "" {
		text += fmt.Sprintf("; byte %d differs:\n%s", v.Byte, v.Diff)
	}
	return text
}

// Done is closed when the replay is over: the host has followed the recording to
// its end and disconnected, or it has done something else.
func (d *Device) Done() <-chan struct{} { return d.done }

// Report tells how far the host has come. It may be called at any time.
func (d *Device) Report() Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := Report{Transfers: d.taken, Recorded: d.record.steps, Divergence: d.divergence}
	r.Followed = d.taken == d.record.steps && d.divergence == nil
	var first *transfer
	for _, l := range d.record.lanes {
		r.Unread += len(l.answers)
		if len(l.steps) > 0 && (first == nil || l.steps[0].number < first.number) {
			first = l.steps[0]
		}
	}
	if first != nil && d.divergence == nil {
		r.Waiting = fmt.Sprintf("packet %d: %s", first.number, first)
	}
	return r
}

// match compares u with the next step of its lane.
func (d *Device) match(l *lane, u *usb.URB) (*transfer, *Divergence) {
	got := &transfer{address: u.Endpoint, length: len(u.Buffer)}
	if u.Number() == 0 {
		setup := u.Setup
		got.setup = &setup
	}
	if len(l.steps) == 0 {
		return nil, &Divergence{Expected: fmt.Sprintf("no more for endpoint %02x", l.address), Got: got.String(), Byte: -1}
	}
	t := l.steps[0]
	v := &Divergence{Packet: t.number, Expected: t.String(), Got: got.String(), Byte: -1}
	if t.setup != nil && *t.setup != u.Setup {
		return nil, v
	}
	if u.In() {
		return t, nil
	}
	sent := u.Buffer
	if len(t.out) < t.length && len(sent) == t.length {
		sent = sent[:len(t.out)] // the rest was not captured
	}
	if v.Byte = d.rule.Out(l.address, t.out, sent); v.Byte < 0 {
		return t, nil
	}
	v.Diff = diff(t.out, sent, v.Byte, d.record.redacted)
	return nil, v
}

// rowSize is how many bytes stand in a row of a dump.
const rowSize = 16

// diff shows the row with byte at of both sides. What came behind the first
// difference is not shown, nor what stands where the recording was redacted: it
// may be secret.
func diff(recorded, sent []byte, at int, redacted bool) string {
	row := at - at%rowSize
	came := append([]byte(nil), sent[min(row, len(sent)):min(at+1, len(sent))]...)
	for i := range came {
		if redacted && row+i < len(recorded) && recorded[row+i] == capture.Blank {
			came[i] = capture.Blank
		}
	}
	mark := strings.Repeat("   ", at-row) + "^^"
	return fmt.Sprintf("  recorded %06x: % x\n  came     %06x: % x\n                   %s",
		row, recorded[min(row, len(recorded)):min(row+rowSize, len(recorded))], row, came, mark)
}
