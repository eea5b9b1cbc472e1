package ceremony_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usbhsm7/hostdrv/ceremony"
)

// whole is a file with everything in it, which cases of tests change.
const whole = `title: A ceremony
purpose: To test.
values: {label: demo}
people:
  - {id: alice, name: Alice Archer, is: custodian}
  - {id: walter, name: Walter Wright}
witnesses: [walter]
keysets:
  - id: so
    for: HSM Security Officer
    sticker: blue
    open: 2
    keys:
      - {key: so-1, holder: alice, pin: "4711"}
      - {key: so-2, holder: alice}
      - {key: so-3, holder: alice}
papers: {note.txt: hello}
steps:
  - step: make
    title: Initialise
    host: hsm init --label {label} --auth quorum
    makes: [so]
    expect: {exit: 0, says: [initialised]}
  - step: use
    title: Use
    host: partition create
    presents: [{keyset: so, with: [so-1, so-3]}]
    files: [note.txt]
  - step: off
    title: Switch it off
    power: "off"
faults:
  - fault: one is lost
    at: use
    before: [lose so-3]
    presents: [so]
`

func TestAWholeFileIsRead(t *testing.T) {
	c, err := ceremony.Parse([]byte(whole), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Summary(); s.Steps != 3 || s.People != 2 || s.Keys != 3 || s.Faults != 7 || s.NeedsPeople || len(s.SHA256) != 64 {
		t.Errorf("summary %+v", s)
	}
	lines := c.Commands()
	if len(lines) != 2 || lines[0].Line != 19 || strings.Join(lines[0].Args, "|") != "hsm|init|--label|demo|--auth|quorum" {
		t.Errorf("commands %+v", lines)
	}
}

func TestOnlyPeopleKnowAPINThatIsAsked(t *testing.T) {
	c, err := ceremony.Parse([]byte(strings.Replace(whole, `"4711"`, "asked", 1)), nil)
	if err != nil || !c.NeedsPeople() {
		t.Errorf("needs people: %v, %v", c != nil && c.NeedsPeople(), err)
	}
	runner := ceremony.Runner{Ceremony: c}
	if err := runner.Run(t.Context(), runner.NewRecord(), 1); !errors.Is(err, ceremony.ErrPeople) {
		t.Errorf("a script holds it: %v", err)
	}
}

// TestAStepPresentsIKeysOfItsKeyset: those of another one do not open it. A fault may
// have them presented, to see that they are refused.
func TestAStepPresentsIKeysOfItsKeyset(t *testing.T) {
	two := strings.Replace(whole, "papers:", `  - id: old
    for: HSM Security Officer
    sticker: blue
    open: 1
    keys:
      - {key: old-1, holder: alice}
papers:`, 1)
	fault := strings.Replace(two, "    presents: [so]", "    presents: [{keyset: so, with: [so-1, old-1]}]", 1)
	if _, err := ceremony.Parse([]byte(fault), nil); err != nil {
		t.Errorf("a fault: %v", err)
	}
	step := strings.Replace(two, "with: [so-1, so-3]", "with: [so-1, old-1]", 1)
	const want = "line 30: step use: the iKey old-1 is one of the keyset old, not of so"
	if _, err := ceremony.Parse([]byte(step), nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a step: %v, want %s", err, want)
	}
}

// Each mistake is named with what helps to find it.
func TestMistakesInAFile(t *testing.T) {
	for name, test := range map[string]struct{ old, now, want string }{
		"no YAML":                    {"title: A ceremony", "title: [", "line "},
		"unknown field":              {"purpose:", "porpoise:", "line 2: field porpoise is unknown"},
		"a word for a number":        {"    open: 2", "    open: two", `line 12: here should be a whole number, not "two"`},
		"a word for a list":          {"makes: [so]", "makes: so", `line 22: here should be a list, such as [one, two], not "so"`},
		"a list for a word":          {"host: partition create", "host: [partition, create]", "line 26: here should be text, not a list"},
		"a word for a value":         {"{label: demo}", "demo", `line 3: here should be lines like name: text, not "demo"`},
		"a number for a time":        {`power: "off"`, "clock: 24", `line 31: clock: here should be a time such as 24h or 90m, not "24"`},
		"a word for a person":        {"{id: walter, name: Walter Wright}", "walter", "line 6: here should be id: and so on"},
		"a colour of no sticker":     {"sticker: blue", "sticker: pink", `line 9: keyset so: there is no sticker of this colour: "pink"; there are black`},
		"an iKey twice":              {"with: [so-1, so-3]", "with: [so-1, so-1]", "line 24: step use: the iKey so-1 is presented twice"},
		"unknown field of a person":  {"{id: walter,", "{id: walter, age: 7,", "line 6: field age is unknown"},
		"unknown field of a keyset":  {"    open: 2", "    opens: 2", "line 12: field opens is unknown"},
		"unknown field of a key":     {`pin: "4711"`, "pim: 4711", "line 14: field pim is unknown"},
		"unknown field of a step":    {"    makes: [so]", "    making: [so]", "line 22: field making is unknown"},
		"unknown field of a fault":   {"    before:", "    after:", "line 35: field after is unknown"},
		"no title":                   {"title: A ceremony\n", "", "line 1: there is no title"},
		"two people of one ID":       {"id: walter", "id: alice", "line 6: the person alice is there already"},
		"a name in capitals":         {"id: walter", "id: Walter", "small letters"},
		"a witness who is not there": {"witnesses: [walter]", "witnesses: [wilma]", "line 7: witnesses: wilma is not among the people"},
		"nobody holds a key":         {"key: so-2, holder: alice", "key: so-2, holder: bob", `line 15: iKey so-2: its holder "bob"`},
		"two keys of one name":       {"key: so-2", "key: so-1", "line 15: the iKey so-1 is there already"},
		"too few keys":               {"open: 2", "open: 4", "line 9: keyset so: 4 of 3"},
		"a PIN with letters":         {`"4711"`, `"471x"`, "line 14: iKey so-1: a PIN has 4 to 48 digits"},
		"an unknown keyset":          {"makes: [so]", "makes: [po]", `line 19: step make: there is no keyset "po"`},
		"too few are presented":      {"with: [so-1, so-3]", "with: [so-1]", "line 24: step use: 2 iKeys open the keyset so, not 1"},
		"an unknown iKey":            {"with: [so-1, so-3]", "with: [so-1, po-3]", `there is no iKey "po-3"`},
		"an unknown value":           {"{label}", "{name}", "nothing stands for {name}"},
		"an open quotation mark":     {"--label {label}", "--label 'demo", "quotation mark"},
		"an unknown switch":          {`power: "off"`, "power: dim", "power: dim is not off, on or cycle"},
		"two things at once":         {`power: "off"`, "{power: on, clock: 1h}", "line "},
		"a path that leads away":     {"files: [note.txt]", "files: [../note.txt]", "is not in the folder"},
		"a paper that leads away":    {"papers: {note.txt", "papers: {/note.txt", "is not in the folder"},
		"people without a command":   {"    host: partition create\n", "", "host is missing"},
		"a fault in no step":         {"at: use", "at: noon", `there is no step "noon"`},
		"a fault that cannot be":     {"lose so-3", "sell so-3", `"sell" is nothing that a person does`},
		"a file elsewhere":           {"purpose: To test.", "follows: ../other.yaml", "is not a file beside this one"},
		"a second document":          {"    presents: [so]\n", "    presents: [so]\n---\ntitle: x\n", "something follows"},
	} {
		text := strings.Replace(whole, test.old, test.now, 1)
		if text == whole {
			t.Fatalf("%s: nothing is changed", name)
		}
		_, err := ceremony.Parse([]byte(text), nil)
		if !errors.Is(err, ceremony.ErrFile) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestAnEmptyOrHugeFileIsNoCeremony(t *testing.T) {
	for _, text := range []string{"", "[]", "# nothing\n", strings.Repeat(" ", ceremony.MaxFile+1)} {
		if _, err := ceremony.Parse([]byte(text), nil); !errors.Is(err, ceremony.ErrFile) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	text := strings.NewReplacer("id: walter", "id: alice", "open: 2", "open: 4", "at: use", "at: noon").Replace(whole)
	_, err := ceremony.Parse([]byte(text), nil)
	for _, want := range []string{"line 6", "line 9", "line 33"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../docs/ceremonies/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("files %q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ceremony.Parse(text, nil)
		if err != nil {
			if !errors.Is(err, ceremony.ErrFile) {
				t.Errorf("error %v", err)
			}
			return
		}
		if c.Summary().Steps == 0 || c.Title == "" {
			t.Errorf("an empty ceremony is taken for one: %+v", c)
		}
	})
}
