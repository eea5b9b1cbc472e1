package command_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
)

const specification = "../../docs/protocol.md"

var update = flag.Bool("update", false, "write the generated parts of docs/protocol.md")

// block matches a generated part of the specification: its name, and what is
// between the marks.
var block = regexp.MustCompile(`(?s)<!-- generated: ([a-z0-9 -]+) -->\n(.*?)<!-- end -->`)

// What the specification says of the tables is generated from them.
// "go test ./firmware/command -update" writes it.
func TestSpecificationSaysWhatTheTablesSay(t *testing.T) {
	text, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	parts := generatedParts(t)
	missing := map[string]bool{}
	for name := range parts {
		missing[name] = true
	}
	want := block.ReplaceAllStringFunc(string(text), func(old string) string {
		name := block.FindStringSubmatch(old)[1]
		part, ok := parts[name]
		if !ok {
			t.Errorf("docs/protocol.md wants a part %q that nothing generates", name)
		}
		delete(missing, name)
		return "<!-- generated: " + name + " -->\n" + part + "<!-- end -->"
	})
	for name := range missing {
		t.Errorf("docs/protocol.md lacks the generated part %q", name)
	}
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("docs/protocol.md differs from the tables at %s; run: go test ./firmware/command -update", firstDifference(string(text), want))
	}
	if err := os.WriteFile(specification, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: %q should be %q", i+1, g[i], w[i])
		}
	}
	return "the end"
}

// generatedParts makes every generated part, by name.
func generatedParts(t *testing.T) map[string]string {
	t.Helper()
	fields := readStructs(t)
	parts := map[string]string{
		"limits":         limitsTable(),
		"commands":       commandsTable(),
		"attributes":     attributesTable(),
		"mechanisms":     mechanismsTable(),
		"events":         eventsTable(t),
		"statuses":       statusesTable(t),
		"walkthrough":    walkthrough(t),
		"mechanism type": fence(cddl(t, "mechanism", fields["Mechanism"]), cddl(t, "mechanism-info", fields["MechanismInfo"])),
		"hello payloads": fence(cddl(t, "hello-request", fields["HelloRequest"]), cddl(t, "hello-response", fields["HelloResponse"])),
		"error payload":  fence(cddl(t, "error-response", fields["ErrorResponse"])),
		"event payload":  fence(cddl(t, "event", fields["Event"])),
	}
	for _, row := range command.Rows {
		parts["command "+row.Name] = commandPart(t, row, fields)
	}
	return parts
}

// table returns a Markdown table.
func table(head string, rows []string) string {
	columns := strings.Count(head, "|") + 1
	return "| " + head + " |\n|" + strings.Repeat("---|", columns) + "\n| " + strings.Join(rows, " |\n| ") + " |\n"
}

func fence(rules ...string) string {
	return "```cddl\n" + strings.Join(rules, "\n") + "```\n"
}

func limitsTable() string {
	rows := []string{
		fmt.Sprintf("header of a frame | %d bytes", frame.HeaderSize),
		fmt.Sprintf("bulk transfer, either way | %d bytes", frame.MaxTransfer),
		fmt.Sprintf("payload of one frame | %d bytes", frame.MaxPayload),
		fmt.Sprintf("payload of one message | %d bytes", frame.MaxMessage),
		fmt.Sprintf("event frame with its header | %d bytes", frame.MaxEvent),
		fmt.Sprintf("requests in flight | %d", frame.MaxInFlight),
		fmt.Sprintf("unfinished messages, each way | %d", frame.MaxInFlight),
		fmt.Sprintf("sum of the totals of unfinished messages, each way | %d bytes", frame.MaxUnfinished),
		fmt.Sprintf("elements of a CBOR array, pairs of a map | %d", command.MaxElements),
		fmt.Sprintf("nesting of CBOR arrays and maps | %d", command.MaxNesting),
	}
	return table("what | most", rows)
}

func commandsTable() string {
	var rows []string
	for _, row := range command.Rows {
		rows = append(rows, fmt.Sprintf("`0x%04X` | [`%s`](#%s) | %s | %s | %s | %s",
			uint32(row.Code), row.Name, row.Name, needs[row.Need], who(row.Roles), yes(row.Write), open(row.Open())))
	}
	return table("code | command | needs | role | writes | open", rows)
}

var needs = map[command.Need]string{
	command.NeedNothing:     "nothing; session 0",
	command.NeedSession:     "a session",
	command.NeedAdmin:       "a session with slot 1",
	command.NeedPartition:   "a session with slot 0",
	command.NeedInitialised: "a session with slot 0, the partition initialised",
}

func who(set command.RoleSet) string {
	if set == command.Anyone {
		return "anyone"
	}
	var names []string
	for _, role := range command.Roles {
		if set.Has(role) {
			names = append(names, role.String())
		}
	}
	return strings.Join(names, ", ")
}

// open names the payloads that a recording may show.
func open(o command.Open) string {
	var names []string
	if o&command.OpenRequest != 0 {
		names = append(names, "request")
	}
	if o&command.OpenResponse != 0 {
		names = append(names, "response")
	}
	return strings.Join(names, ", ")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func commandPart(t *testing.T, row command.Row, fields map[string][]field) string {
	t.Helper()
	line := fmt.Sprintf("Code `0x%04X`. Needs %s. Role: %s.", uint32(row.Code), needs[row.Need], who(row.Roles))
	if row.Write {
		line += " Refused in a read-only session."
	}
	var rules []string
	for _, payload := range []struct {
		name  string
		maker func() any
	}{{"request", row.Request}, {"response", row.Response}} {
		if payload.maker == nil {
			line += fmt.Sprintf(" The %s has no payload.", payload.name)
			continue
		}
		typ := reflect.TypeOf(payload.maker()).Elem().Name()
		rules = append(rules, cddl(t, row.Name+"-"+payload.name, fields[typ]))
	}
	if rules == nil {
		return line + "\n"
	}
	return line + "\n\n" + fence(rules...)
}

func attributesTable() string {
	var rows []string
	for _, row := range command.Attributes {
		read := "yes"
		if row.Secret {
			read = "never, of a key"
		}
		rows = append(rows, fmt.Sprintf("`0x%04X` | %s | %s | %s | %s | %s",
			uint32(row.Type), row.Name, row.Kind, given(row.Given), row.Change, read))
	}
	return table("number | name | value | in templates of | changed later | read", rows)
}

// given names the commands whose templates may name an attribute.
func given(origins command.Origins) string {
	var names []string
	for origin, name := range []string{"generate", "create", "unwrap", "copy"} {
		if origins.Has(command.Origin(origin)) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func mechanismsTable() string {
	keys := map[uint64]string{
		command.KeyRSA: "RSA", command.KeyEC: "EC", command.KeyECEdwards: "Edwards", command.KeyECMontgomery: "Montgomery",
		command.KeyMLKEM: "ML-KEM", command.KeyMLDSA: "ML-DSA",
		command.KeyGenericSecret: "generic secret", command.KeyAES: "AES", command.KeyDES3: "3DES",
	}
	var rows []string
	for _, row := range command.MechanismTable {
		var works []string
		for _, keyType := range row.Keys {
			works = append(works, keys[keyType])
		}
		bits := fmt.Sprintf("%d to %d", row.MinBits, row.MaxBits)
		if row.MaxBits == 0 {
			bits = ""
		}
		rows = append(rows, fmt.Sprintf("`0x%04X` | CKM_%s | %s | %s | %s | %s",
			uint32(row.Type), row.Name, strings.Join(works, ", "), bits, strings.Join(row.Uses.Names(), ", "), approvedUses(row)))
	}
	return table("number | name | key | bits | uses | FIPS-approved", rows)
}

// approvedUses says which uses of a mechanism the FIPS-approved configuration
// permits, and with which keys.
func approvedUses(row command.MechanismRow) string {
	var approved command.Use
	for use := command.UseGenerate; use <= command.UseDecapsulate; use <<= 1 {
		if row.Uses&use != 0 && row.ApprovedFor(use, row.MaxBits) {
			approved |= use
		}
	}
	text := strings.Join(approved.Names(), ", ")
	switch {
	case approved == row.Uses:
		text = "yes"
	case approved == 0:
		return "no"
	}
	if row.ApprovedBits > row.MinBits {
		text += fmt.Sprintf(", from %d bits on", row.ApprovedBits)
	}
	return text
}

func eventsTable(t *testing.T) string {
	t.Helper()
	var rows []string
	for _, c := range constants(t, "message.go", "EventCode") {
		rows = append(rows, fmt.Sprintf("%d | %s | %s", c.value, command.EventCode(c.value), c.meaning))
	}
	return table("code | event | meaning", rows)
}

func statusesTable(t *testing.T) string {
	t.Helper()
	var rows []string
	for _, c := range constants(t, "status.go", "Status") {
		name, _ := command.Status(c.value).Name()
		rows = append(rows, fmt.Sprintf("`%08X` | %s | %s", c.value, name, c.meaning))
	}
	return table("number | published name | meaning here", rows)
}

var (
	headings  = regexp.MustCompile(`(?m)^##+ (.+)$`)
	links     = regexp.MustCompile(`\]\(#([^)]+)\)`)
	unslugged = regexp.MustCompile(`[^a-z0-9 -]`)
)

// Every heading has an anchor of its own and every link within the page leads
// to one.
func TestSpecificationLinksLeadSomewhere(t *testing.T) {
	text, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, m := range headings.FindAllStringSubmatch(string(text), -1) {
		anchor := strings.ReplaceAll(unslugged.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		if anchors[anchor] {
			t.Errorf("two headings have the anchor %q", anchor)
		}
		anchors[anchor] = true
	}
	for _, m := range links.FindAllStringSubmatch(string(text), -1) {
		if !anchors[m[1]] {
			t.Errorf("no heading has the anchor %q", m[1])
		}
	}
}
