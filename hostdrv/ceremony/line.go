package ceremony

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"usbhsm7/firmware/control"
)

// What follows decodes as YAML does by itself, and keeps the line. The decoder's
// KnownFields does not reach into a node, so unknown fields are looked for here.

// UnmarshalYAML implements yaml.Unmarshaler.
func (c *Ceremony) UnmarshalYAML(n *yaml.Node) error {
	type plain Ceremony
	if err := strictly(n, (*plain)(c), "title", "purpose", "follows", "values", "people", "witnesses", "keysets", "papers", "steps", "faults"); err != nil {
		return err
	}
	c.lines = map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		c.lines[n.Content[i].Value] = n.Content[i].Line
	}
	return nil
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *Participant) UnmarshalYAML(n *yaml.Node) error {
	type plain Participant
	p.line = n.Line
	return strictly(n, (*plain)(p), "id", "name", "is")
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (k *Keyset) UnmarshalYAML(n *yaml.Node) error {
	type plain Keyset
	k.line = n.Line
	return strictly(n, (*plain)(k), "id", "for", "sticker", "open", "keys")
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (k *Key) UnmarshalYAML(n *yaml.Node) error {
	type plain Key
	k.line = n.Line
	return strictly(n, (*plain)(k), "key", "holder", "pin")
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *Step) UnmarshalYAML(n *yaml.Node) error {
	type plain Step
	s.line = n.Line
	if err := checkClock(n); err != nil {
		return err
	}
	return strictly(n, (*plain)(s), "step", "title", "say", "who", "host", "makes", "presents", "device", "power", "clock", "expect", "files")
}

// checkClock checks the clock of a step, of which the decoder would not tell the line.
func checkClock(n *yaml.Node) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Value == "clock" && new(control.Duration).UnmarshalText([]byte(value.Value)) != nil {
			return fmt.Errorf("line %d: clock: here should be a time such as 24h or 90m, not %q", value.Line, value.Value)
		}
	}
	return nil
}

// UnmarshalYAML implements yaml.Unmarshaler: a keyset, or one with its iKeys.
func (p *Presented) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&p.Keyset)
	}
	type plain Presented
	return strictly(n, (*plain)(p), "keyset", "with")
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (e *Expectation) UnmarshalYAML(n *yaml.Node) error {
	type plain Expectation
	return strictly(n, (*plain)(e), "exit", "says")
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (f *Fault) UnmarshalYAML(n *yaml.Node) error {
	type plain Fault
	f.line = n.Line
	return strictly(n, (*plain)(f), "fault", "at", "before", "presents", "people", "fails")
}

// strictly decodes a mapping that has no other fields than those.
func strictly(n *yaml.Node, into any, fields ...string) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: here should be %s: and so on", n.Line, fields[0])
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if name := n.Content[i]; !slices.Contains(fields, name.Value) {
			return fmt.Errorf("line %d: field %s is unknown; there are %s", name.Line, name.Value, strings.Join(fields, ", "))
		}
	}
	return n.Decode(into)
}
