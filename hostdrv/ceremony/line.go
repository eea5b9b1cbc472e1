package ceremony

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What follows decodes as YAML does by itself, and keeps the line. The decoder's
// KnownFields does not reach into a node, so unknown fields are looked for here.

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
	return strictly(n, (*plain)(s), "step", "title", "say", "who", "host", "makes", "presents", "device", "power", "clock", "expect", "files")
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
