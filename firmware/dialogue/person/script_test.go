package person_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"usbhsm7/firmware/dialogue/person"
)

func TestParse(t *testing.T) {
	got, err := person.Parse(`
# two keys
key so-1 blue
key spare

when create/reuse: no
once write/insert "iKey 1 of 2" "say \"so\"": remove, insert so-1
  when read/pin : type 0042
`, nil)
	want := person.Script{
		Keys: []person.Key{{Name: "so-1", Colour: "blue"}, {Name: "spare"}},
		Rules: []person.Rule{
			{Line: 6, Screen: "create/reuse", Do: []person.Act{{Verb: person.No}}},
			{Line: 7, Once: true, Screen: "write/insert", Says: []string{"iKey 1 of 2", `say "so"`}, Do: []person.Act{{Verb: person.Remove}, {Verb: person.Insert, Text: "so-1"}}},
			{Line: 8, Screen: "read/pin", Do: []person.Act{{Verb: person.Type, Text: "0042"}}},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestParseSaysWhatIsWrongAndWhere(t *testing.T) {
	for text, want := range map[string]string{
		"whenever home: ok":                   `line 1: "whenever" is not key, when or once`,
		"\n\nkey":                             "line 3: a key has a name",
		"key a blue thick":                    "a key has a name",
		"key a\nkey a":                        "line 2: there is a key a already",
		"key a pink":                          `line 1: there is no sticker of this colour: "pink"; there are black, blue`,
		"key ../a":                            "line 1: the name of a key has 1 to 64 letters",
		"when":                                "a rule is like: when create/reuse: no",
		"when : ok":                           "a rule is like",
		"when home ok":                        "no colon behind the screen",
		`when home "x: ok`:                    "a quotation mark has no end",
		"when home:":                          "there is nothing to do",
		"when home: ok,":                      "there is nothing to do",
		"when home: ok yes":                   "ok stands alone",
		"when home: type":                     "type needs digits",
		"when home: type 12a":                 "type needs digits",
		"when home: type 12 34":               "type needs digits",
		"when home: number -1":                "number needs a number",
		"when home: number x":                 "number needs a number",
		"when home: choose":                   "choose needs the number of an item",
		"when home: insert":                   "insert needs the name of an iKey",
		"when write/pin: type 1234, ok":       "type ... answers the screen by itself: leave out ok",
		"when create/m: number 3, remove, ok": "number 3 answers the screen by itself: leave out ok",
		"when home: dance":                    `"dance" is nothing that a person does; they do: ok, yes`,
		"\xff":                                "UTF-8 text",
		strings.Repeat("#\n", 600000):         "at most 1048576 bytes",
	} {
		_, err := person.Parse(text, nil)
		if !errors.Is(err, person.ErrScript) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func TestAScreenThatThereIsNotIsFoundInTheScript(t *testing.T) {
	screens := []string{"home", "present/insert", "present/next"}
	for text, want := range map[string]string{
		"when home: ok\nwhen present/next \"x\": insert a": "",
		"\nonce present/insrt \"x\": insert a":             `no script of a person: line 2: there is no screen "present/insrt"; did you mean "present/insert"?`,
		"when home: ok\nwhen Home: ok":                     `no script of a person: line 2: there is no screen "Home"; did you mean "home"?`,
		"when lost: ok":                                    `no script of a person: line 1: there is no screen "lost"; docs/trusted-path.md lists them`,
	} {
		s, err := person.Parse(text, screens)
		if want == "" && (err != nil || len(s.Rules) != 2) || want != "" && (!errors.Is(err, person.ErrScript) || err.Error() != want) {
			t.Errorf("%q: %+v, %v, want %s", text, s, err, want)
		}
	}
}

func TestAnActIsWrittenAsItIsReadButForPINs(t *testing.T) {
	for text, want := range map[string]string{"ok": "ok", "choose 2": "choose 2", "number 16": "number 16", "insert so-1": "insert so-1", "type 735190": "type ..."} {
		if act, err := person.ParseAct(strings.Fields(text)); err != nil || act.String() != want {
			t.Errorf("%s: %s, %v", text, act, err)
		}
	}
}

// FuzzParse: any text is a script or an error, and a script has acts that can be
// written and read again.
func FuzzParse(f *testing.F) {
	f.Add("key a blue\nonce home \"x\": insert a, type 1234, remove\nwhen menu/main: choose 1\n# end")
	f.Add("when home \"\\u00e9\": ok")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := person.Parse(text, nil)
		if err != nil {
			if !errors.Is(err, person.ErrScript) || !reflect.DeepEqual(s, person.Script{}) {
				t.Fatalf("%+v, %v", s, err)
			}
			return
		}
		for _, r := range s.Rules {
			for _, a := range r.Do {
				if a.Verb == person.Type {
					continue
				}
				if again, err := person.ParseAct(strings.Fields(a.String())); err != nil || again != a {
					t.Fatalf("%+v is written %q and read %+v, %v", a, a, again, err)
				}
			}
		}
	})
}
