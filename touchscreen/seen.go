package touchscreen

import (
	"fmt"
	"slices"
)

// Seen returns what is shown, its number as in Input and Frame, and a channel that
// is closed when anything changes, a digit that is typed included. It draws nothing.
func (p *Panel) Seen() (s Screen, number uint64, next <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s = p.screen
	s.Text, s.Items = slices.Clone(s.Text), slices.Clone(s.Items)
	return s, p.number, p.changed
}

// kindNames are the names of kinds of screens in scripts and on control sockets.
var kindNames = [...]string{
	Home: "home", List: "list", Prompt: "prompt", PIN: "pin", YesNo: "yes-no", Number: "number",
	Progress: "progress", Status: "status", Failure: "failure", Off: "off",
}

// String returns a name for programs, for example "yes-no".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ParseKind is the reverse of String.
func ParseKind(name string) (Kind, bool) {
	i := slices.Index(kindNames[:], name)
	return Kind(max(i, 0)), i >= 0
}
