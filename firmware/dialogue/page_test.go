package dialogue

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

var updatePage = flag.Bool("update", false, "rewrite the generated page")

const page = "../../docs/trusted-path.md"

// dialogues are all tables, in the order of the page.
var dialogues = []*table{
	&createTable, &presentTable, &confirmTable, &revealTable, &readTable, &writeTable,
	&homeTable, &identifyTable, &duplicateTable, &changeTable, &eraseTable,
}

// TestTrustedPathPage keeps the page as the tables say.
func TestTrustedPathPage(t *testing.T) {
	want := trustedPathPage()
	if *updatePage {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != want {
		t.Errorf("%s differs from the tables (%v): go test ./firmware/dialogue -run TrustedPathPage -update", page, err)
	}
}

func trustedPathPage() string {
	var b strings.Builder
	b.WriteString(pageIntroduction)
	b.WriteString("\n## iKeys\n\nThe colour is that of a sticker on the outside, for people. No device knows it.\n\n| Holds the secret of | Sticker |\n|---|---|\n")
	for _, h := range holders[1:] {
		fmt.Fprintf(&b, "| %s | %s |\n", h.whose, h.sticker)
	}
	b.WriteString(pageStatuses)
	for _, s := range endings {
		name, _ := s.status.Name()
		fmt.Fprintf(&b, "| %s | `%08X` | %s |\n", s.when, uint32(s.status), name)
	}
	b.WriteString(pageRefusals)
	for _, r := range refusals {
		name, _ := r.status.Name()
		fmt.Fprintf(&b, "| %s | %s | `%08X` | %s |\n", r.verdict, r.cause, uint32(r.status), name)
	}
	b.WriteString(pageDialogues)
	for _, d := range dialogues {
		writeDialogue(&b, d)
	}
	b.WriteString("\n## Screens\n\nAll that the device ever shows. Words in braces depend on the dialogue. The last column says what the wording rests on: `published`, for an older PED of the family; or `ours`, because the wording of the real unit is not public. Screens with a cross can be cancelled.\n\n| Screen | Kind | Cancel | Title and text | Wording |\n|---|---|:-:|---|---|\n")
	for _, s := range screens {
		writeScreen(&b, s)
	}
	fmt.Fprintf(&b, pageScripts, person.Verbs(), touchscreen.Dark.ID)
	return b.String()
}

func writeDialogue(b *strings.Builder, d *table) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n| State | Shows or does | Then |\n|---|---|---|\n", d.name, d.about)
	for _, s := range d.steps {
		fmt.Fprintf(b, "| %s | %s | %s |\n", s.state, whatHappens(s), leads(d, s.state))
	}
	if common := leads(d, anywhere); common != "" {
		fmt.Fprintf(b, "| any of them | | %s |\n", common)
	}
}

func whatHappens(s step) string {
	switch {
	case s.show == scAsk:
		return "the screen that the dialogue around it asks for an iKey with"
	case s.work == nil:
		return fmt.Sprintf("`%s`", s.show)
	case s.show != "":
		return fmt.Sprintf("%s; `%s`", s.does, s.show)
	}
	return s.does
}

func leads(d *table, from state) string {
	var all []string
	for _, m := range d.moves {
		if m.from == from {
			all = append(all, fmt.Sprintf("%s → %s", m.on, m.to))
		}
	}
	return strings.Join(all, "<br>")
}

// kindNames are the names of kinds of screens on the page.
var kindNames = map[touchscreen.Kind]string{
	touchscreen.Home: "home", touchscreen.List: "list", touchscreen.Prompt: "prompt", touchscreen.PIN: "PIN pad",
	touchscreen.YesNo: "yes or no", touchscreen.Number: "number", touchscreen.Progress: "progress",
	touchscreen.Status: "status", touchscreen.Failure: "failure",
}

func writeScreen(b *strings.Builder, s screen) {
	cancel, text := "", append([]string(nil), s.text...)
	if s.cancel {
		cancel = "x"
	}
	if s.title != "" {
		text = append([]string{"**" + s.title + "**"}, text...)
	}
	for i, item := range s.items {
		text = append(text, fmt.Sprintf("%d. %s", i+1, item))
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", s.id, kindNames[s.kind], cancel, strings.Join(text, "<br>"), s.basis)
}

// endings are the statuses that a host gets of a dialogue that did not end well.
var endings = []struct {
	when   string
	status command.Status
}{
	{"a person or the host cancels, or the device is switched off", command.StatusFunctionCanceled},
	{"nobody answers a screen in time", command.StatusTimeout},
	{"the time is over, and fewer iKeys were presented than open the keyset", command.StatusMissingSplits},
	{"the iKeys are of one keyset and do not open its secret: one of them was altered", command.StatusMofNSecretInvalid},
	{"the port for iKeys fails", command.StatusPEDError},
}

const pageIntroduction = `# The trusted path

An HSM that is initialised for quorum authentication takes the secrets of its roles and domains from iKeys. People plug
these into the device itself, and answer on its screen. No host sees a secret, a share of one or a PIN, and no host can
press a key: what goes over USB is that a command waits for people, and how it ended.

This page lists what the screen says and when, from the tables in the code:
` + "`go test ./firmware/dialogue -run TrustedPathPage -update`" + `. What the screen looks like is in [touchscreen.md](touchscreen.md), what is on
an iKey in [ikey-format.md](ikey-format.md). Who does what, when, is written down in [ceremonies](ceremonies.md).

A *keyset* holds one secret of 32 bytes, divided among N iKeys, 1 to 16, of which any M open it. Fewer than M tell nothing
of it. With M and N both 1 there is one iKey, and nothing to divide. Every iKey may have a PIN of 4 to 48 digits, which the
iKey itself checks. An iKey may be duplicated, and nobody can tell how often that was done.

- **Making a keyset** never leaves anything in the HSM unless it comes to its end. iKeys that were written before somebody
  cancelled belong to a keyset that opens nothing.
- **Presenting** an iKey of another kind, a blank or a damaged one, one of another keyset, or the same one twice counts for
  nothing: the screen tells, and the dialogue goes on. Only a whole keyset is a secret. The HSM checks it and counts a failed
  login if it is the wrong one.
- **Each step wants an answer within 120 s** of the device's clock. A clock that stands still does not time anything out.
- **One dialogue has the screen at a time.** The next one waits, as long as the host's request does.
- **It is quick** when a script does it: seven keysets, 3 of 5 each, are made and presented in 31 ms, the rest of the
  initialisation included (` + "`go test -bench ThreeOfFive ./hostdrv/hsmtest`" + `, two processors of a server).
- An iKey that was plugged in while another screen was shown is taken when a person presses OK, not before.
`

const pageStatuses = `
## How dialogues end

| When | Status | Name |
|---|---|---|
`

const pageRefusals = `
If the last iKey that was presented did not count when a person cancels or the time is over, the host is told that instead,
whether the screen still tells of it or asks for the next one. Another iKey since then, or a wrong PIN, makes it history.

| What came of the iKey | Cause | Status | Name |
|---|---|---|---|
`

const pageDialogues = `
## Dialogues

Each is a table of states. A state shows a screen and waits for a person, or does some work. Events lead to the next state;
states in parentheses are ends. "iKey" is an event of the port: there is something in it, newly plugged in or there when
OK is pressed.
`

const pageScripts = `
## Scripts for people

A script is somebody who attends to the device without thinking: for tests, for runs without people, and for ceremonies.

    # one iKey for the HSM SO, one for the domain
    key so-1 blue
    key domain-1 red
    when create/reuse: no
    when create/m: number 1
    when create/n: number 1
    when write/insert "HSM Security Officer": insert so-1
    when write/insert "Domain": insert domain-1
    when write/blank: yes
    when write/pin: ok
    when create/duplicate: no
    when present/insert: insert so-1

| Line | Means |
|---|---|
| ` + "`key NAME COLOUR`" + ` | an iKey that the person brings along; it is made, blank, if there is none of that name. The colour may be left out |
| ` + "`when SCREEN: ACTS`" + ` | what to do whenever that screen is shown |
| ` + "`once SCREEN: ACTS`" + ` | the same, but only the first time |
| ` + "`when SCREEN \"TEXT\": ACTS`" + ` | only if the text stands on the screen; several may be given, and all must |
| ` + "`# ...`" + ` | a remark |

The first rule that fits and is not used up counts. Acts are carried out in order, with commas between them: %s.
` + "`type`" + ` needs digits, which it types and confirms with OK, ` + "`number`" + ` a number, ` + "`choose`" + ` the number of an item from 1, ` + "`insert`" + ` the name of an iKey, which goes in when the
one before is pulled out. An iKey that goes in where the screen asks for one is an answer in itself; OK is for one that is
in the port already. The person idles at the home screen and while the device works, and gives up at any other screen that
no rule is for, with a message that says which. A rule for a screen that there is not, such as a misspelt one, is found
when the script is read; the dark screen of a device without power is ` + "`%s`" + `.

Rehearsals have things go wrong: ` + "`leave`" + ` stays away until the screen gives up, ` + "`lose`, `damage` and `slip`" + ` befall the iKey
that is named (` + "`slip`" + `: it goes in, and comes out too early), and ` + "`power-off`" + ` ends everything.

    usbhsm7 --state-dir ./hsm --auto ceremony.person     # the device attends to itself
    hsm7 sim auto ceremony.person                        # or this, while the simulator runs
`
