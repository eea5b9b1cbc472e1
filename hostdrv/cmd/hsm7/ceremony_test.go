package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/hostdrv/ceremony"
	"usbhsm7/touchscreen"
)

const ceremonies = "../../../docs/ceremonies"

// hold runs hsm7 ceremony run and returns what it prints, its exit status and the
// record.
func hold(t *testing.T, firmware, file string, flags ...string) (output string, exit int, record *ceremony.Record, folder string) {
	t.Helper()
	folder = t.TempDir()
	args := append([]string{"ceremony", "run", file, "--firmware", firmware, "--out", folder}, flags...)
	output, exit = runHere(t, args...)
	text, err := os.Open(filepath.Join(folder, ceremony.RecordName(filepath.Base(file))))
	if err != nil {
		return output, exit, nil, folder
	}
	defer text.Close()
	if record, err = ceremony.ReadRecord(text); err != nil {
		t.Fatal(err)
	}
	return output, exit, record, folder
}

// runHere runs a command line in this process.
func runHere(t *testing.T, args ...string) (output string, exit int) {
	t.Helper()
	var out words
	exit = runInto(t.Context(), t, &out, args...)
	return out.String(), exit
}

func runInto(ctx context.Context, t *testing.T, out *words, args ...string) (exit int) {
	t.Helper()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer nothing.Close()
	a := &app{in: nothing, out: out, errs: out}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(out)
	if err = root.ExecuteContext(ctx); err != nil {
		a.complain(err)
	}
	return exitStatus(err)
}

// Each ceremony of the documents goes as its file says, and as a rehearsal.
func TestCeremoniesOfTheDocuments(t *testing.T) {
	firmware := buildFirmware(t)
	for _, test := range []struct {
		file   string
		faults int
		made   []string
		flags  []string
	}{
		{"initialise-root-ca.yaml", 26, []string{"root.pem"}, nil},
		{"annual-signing.yaml", 8, []string{"issuing.pem"}, nil},
		{"replace-custodian.yaml", 13, nil, nil},
		{"disaster-recovery.yaml", 12, []string{"root.pub"}, nil},
		{"firmware-update.yaml", 7, []string{"update.fuf"}, nil},
		{"first-run.yaml", 0, nil, []string{"--set", "challenge=" + challengeFile(t)}},
	} {
		t.Run(test.file, func(t *testing.T) {
			file := filepath.Join(ceremonies, test.file)
			output, exit, record, folder := hold(t, firmware, file, append(test.flags, "--no-pictures")...)
			if exit != 0 || !record.Finished || record.Mode != ceremony.Unattended {
				t.Fatalf("exit status %d, record of mode %q: %s\n%s", exit, record.Mode, record.Outcome, output)
			}
			for _, name := range test.made {
				if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
					t.Error(err)
				}
			}
			if testing.Short() || test.faults == 0 {
				return
			}
			output, exit, record, _ = hold(t, firmware, file, append(test.flags, "--no-pictures", "--rehearse")...)
			if n := faults(record); exit != 0 || !record.Finished || n != test.faults {
				t.Errorf("exit status %d, %d of %d faults: %s\n%s", exit, n, test.faults, record.Outcome, output)
			}
		})
	}
}

// TestWordsThatAreNotOnTheScreenAreToldBesideThoseThatAre: who writes a ceremony has
// to know the words of the screen, and may err.
func TestWordsThatAreNotOnTheScreenAreToldBesideThoseThatAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "errs.yaml")
	text := strings.Replace(string(readFile(t, filepath.Join(ceremonies, "first-run.yaml"))), "for: HSM Security Officer", "for: HSM SO", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output, exit, _, _ := hold(t, buildFirmware(t), file, "--set", "challenge="+challengeFile(t), "--no-pictures")
	const want = `at the screen create/reuse ("Create a keyset | HSM Security Officer of “demo” | Would you like to reuse an existing keyset?")`
	if exit != 9 || !strings.Contains(output, want) {
		t.Errorf("exit status %d, want 9; want %s:\n%s", exit, want, output)
	}
}

// faults counts what went wrong on purpose.
func faults(r *ceremony.Record) (n int) {
	for _, d := range r.Steps {
		if d.Fault != "" {
			n++
		}
	}
	return n
}

// challengeFile makes the file that first-run.yaml wants, and says the same in the
// environment, which hsm7 logs in with.
func challengeFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "challenge.txt")
	if err := os.WriteFile(path, []byte("qv7zR2mWx8pLt4KsB9"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HSM7_CO_PASSWORD", "qv7zR2mWx8pLt4KsB9")
	return path
}

func TestSameSeedSameRecord(t *testing.T) {
	firmware := buildFirmware(t)
	held := func(seed string) string {
		_, exit, record, _ := hold(t, firmware, filepath.Join(ceremonies, "annual-signing.yaml"), "--seed", seed)
		if exit != 0 {
			t.Fatalf("exit status %d: %s", exit, record.Outcome)
		}
		for i := range record.Steps {
			record.Steps[i].Began.Wall, record.Steps[i].Ended.Wall = time.Time{}, time.Time{}
		}
		var text bytes.Buffer
		if err := record.Write(&text); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	one, same, other := held("one"), held("one"), held("other")
	if one != same {
		t.Error("two runs with the same seed differ")
	}
	if one == other {
		t.Error("two runs with different seeds do not differ")
	}
}

// TestRecordAndReportHoldNoSecret looks for PINs, shares, what they open and a
// challenge secret in all that a ceremony leaves behind but the iKeys.
func TestRecordAndReportHoldNoSecret(t *testing.T) {
	state := t.TempDir()
	f := powerOn(t, buildFirmware(t), "--state-dir", state, "--log-format", "none")
	socket := filepath.Join(state, "control.sock")
	folder := t.TempDir()
	file := filepath.Join(folder, "canary.yaml")
	text := strings.Replace(string(readFile(t, filepath.Join(ceremonies, "first-run.yaml"))), "key: so-3,", `key: so-3, pin: "`+canaryPIN+`",`, 1)
	if !strings.Contains(text, canaryPIN) {
		t.Fatal("no iKey has the PIN that is looked for")
	}
	revealed := `
  - step: reveal
    title: Have the device make a challenge secret
    host: role challenge co
    presents: [po]
    device: ['when reveal: ok']
`
	if err := os.WriteFile(file, []byte(text+revealed), 0o600); err != nil {
		t.Fatal(err)
	}
	output, exit := runHere(t, "ceremony", "run", file, "--control", socket, "--out", folder, "--set", "challenge="+challengeFile(t))
	if exit != 0 {
		t.Fatal(output)
	}
	f.kill()
	secrets := secretsOf(t, filepath.Join(state, "ikeys"), 7)
	secrets["the PIN"], secrets["the challenge secret"] = []byte(canaryPIN), []byte("qv7zR2mWx8pLt4KsB9")
	left := map[string][]byte{"output": []byte(output)}
	for _, name := range []string{"canary.record.json", "canary.report.html"} {
		left[name] = readFile(t, filepath.Join(folder, name))
		if !bytes.Contains(left[name], []byte("Have the device make a challenge secret")) {
			t.Errorf("%s does not tell of the ceremony", name)
		}
	}
	for where, content := range left {
		for name, secret := range secrets {
			for part := range slices.Chunk(secret, partOfSecret) {
				if len(part) == partOfSecret && (bytes.Contains(content, part) || bytes.Contains(content, []byte(hex.EncodeToString(part)))) {
					t.Errorf("%s holds a part of %s", where, name)
				}
			}
		}
	}
	checkRevealed(t, readRecord(t, filepath.Join(folder, "canary.record.json")))
}

// checkRevealed sees that the screen with a challenge secret is there without it.
func checkRevealed(t *testing.T, record *ceremony.Record) {
	t.Helper()
	last := record.Steps[len(record.Steps)-1].Screens
	i := slices.IndexFunc(last, func(s ceremony.Shown) bool { return s.Screen == "reveal" })
	if i < 0 || len(last[i].Text) != 1 || last[i].Picture != "" {
		t.Errorf("the last step has the screens %+v", last)
	}
	if last[0].Picture == "" {
		t.Error("no screen has a picture: this check is blind")
	}
}

// slow is people who do nothing before the ceremony has told them what the screen
// shows.
type slow struct {
	*ceremony.Hands
	out  *words // what they are told
	seen int    // screens that waited for them
}

// Look implements person.Hands.
func (h *slow) Look(ctx context.Context, number uint64) (person.Seen, error) {
	s, err := h.Hands.Look(ctx, number)
	if err != nil || s.Kind == touchscreen.Home || s.Kind == touchscreen.Progress {
		return s, err
	}
	h.seen++
	for strings.Count(h.out.String(), " | ") < h.seen {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
	return s, nil
}

// byHand attends to a simulator as people do, one of whom errs, until the test ends.
func byHand(t *testing.T, socket string, out *words) {
	t.Helper()
	script, err := person.Parse(custodiansOfFirstRun, dialogue.Screens())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		left <- (&person.Person{Script: script, Hands: &slow{Hands: ceremony.NewHands(control.NewClient(socket)), out: out}}).Attend(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the people left: %v", err)
		}
	})
}

// custodiansOfFirstRun are the people of first-run.yaml. Alice inserts the iKey of
// a domain where hers is asked for, once. The ceremony has the iKeys brought.
const custodiansOfFirstRun = `
when create/reuse: no
when create/m "HSM Security Officer": number 2
when create/n "HSM Security Officer": number 3
when create/m: number 1
when create/n: number 1
when write/insert "iKey 1 of 3 for the HSM": insert so-1
when write/insert "iKey 2 of 3 for the HSM": insert so-2
when write/insert "iKey 3 of 3 for the HSM": insert so-3
when write/insert "Domain of “demo”": insert domain
when write/insert "Domain of “keys”": insert keys-domain
when write/insert "Partition Security Officer": insert po
when write/insert "Crypto Officer": insert co
when write/blank: yes
when write/pin: ok
when create/duplicate: no
once present/insert "HSM Security Officer": insert domain
when read/other-kind: insert so-1
when present/insert "HSM Security Officer": insert so-1
when present/next "HSM Security Officer": insert so-3
when present/insert "Partition Security Officer": insert po
when present/insert "Crypto Officer": insert co
`

// People hold a ceremony, are told what to do, and err once; it is stopped, because
// the host has the wrong challenge secret, and goes on where it was stopped.
func TestPeopleHoldACeremony(t *testing.T) {
	state, folder := t.TempDir(), t.TempDir()
	powerOn(t, buildFirmware(t), "--state-dir", state, "--log-format", "none")
	socket := filepath.Join(state, "control.sock")
	args := []string{
		"ceremony", "run", filepath.Join(ceremonies, "first-run.yaml"), "--by-hand", "--no-pictures",
		"--control", socket, "--out", folder, "--set", "challenge=" + challengeFile(t),
	}
	var out words // of both runs
	byHand(t, socket, &out)
	t.Setenv("HSM7_CO_PASSWORD", "another-secret")
	exit := runInto(t.Context(), t, &out, args...)
	output := out.String()
	if exit != 9 || !strings.Contains(output, "step activate ended with status 5, not 0") {
		t.Fatalf("exit status %d:\n%s", exit, output)
	}
	for _, want := range []string{
		"Step 2 of 6: Create the partition", "Who: Alice Archer, Carol Carter", "> Carol Carter inserts so-3",
		"! The ceremony does not expect this screen (read/other-kind)", "[ 6/6] Activate the Crypto Officer: FAILED",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("people are not told %q:\n%s", want, output)
		}
	}
	challengeFile(t)
	if exit = runInto(t.Context(), t, &out, append(args, "--from", "activate")...); exit != 0 {
		t.Fatalf("exit status %d:\n%s", exit, &out)
	}
	record := readRecord(t, filepath.Join(folder, "first-run.record.json"))
	unexpected := slices.ContainsFunc(record.Steps[1].Screens, func(s ceremony.Shown) bool { return s.Unexpected && s.Screen == "read/other-kind" })
	if record.Mode != ceremony.ByHand || !record.Finished || len(record.Steps) != 7 || record.Steps[5].Failure == "" || !unexpected {
		t.Errorf("record of mode %q with %d steps: %s", record.Mode, len(record.Steps), record.Outcome)
	}
}

// An initialisation with three of five iKeys for every role takes less than a
// second where nothing else runs.
func TestInitialisationOfAllRolesIsQuick(t *testing.T) {
	firmware := buildFirmware(t)
	began := time.Now()
	if output, exit, _, _ := hold(t, firmware, filepath.Join(ceremonies, "initialise-root-ca.yaml"), "--no-pictures"); exit != 0 {
		t.Fatal(output)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

func readRecord(t *testing.T, path string) *ceremony.Record {
	t.Helper()
	record, err := ceremony.ReadRecord(bytes.NewReader(readFile(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// The host reaches a device that is attached to the kernel as the flags say, and
// why it does not is told.
func TestCommandsOfACeremonyReachTheDeviceAsTheFlagsSay(t *testing.T) {
	state := t.TempDir()
	powerOn(t, buildFirmware(t), "--state-dir", state, "--log-format", "none")
	output, exit := runHere(t, "--path", "9-9", "ceremony", "run", filepath.Join(ceremonies, "first-run.yaml"),
		"--via", "usbip", "--control", filepath.Join(state, "control.sock"), "--out", t.TempDir())
	if exit != 9 || !strings.Contains(output, "step hsm ended with status 3, not 0") {
		t.Errorf("exit status %d:\n%s", exit, output)
	}
}

// Who interrupts a ceremony has its record, and can go on.
func TestAnInterruptedCeremonyIsRecorded(t *testing.T) {
	state, folder := t.TempDir(), t.TempDir()
	powerOn(t, buildFirmware(t), "--state-dir", state, "--log-format", "none")
	args := []string{
		"ceremony", "run", filepath.Join(ceremonies, "first-run.yaml"), "--by-hand", "--no-pictures",
		"--control", filepath.Join(state, "control.sock"), "--out", folder,
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out words
	ended := make(chan int, 1)
	go func() { ended <- runInto(ctx, t, &out, args...) }() // nobody comes
	for !strings.Contains(out.String(), "> says no") {
		select {
		case exit := <-ended:
			t.Fatalf("exit status %d:\n%s", exit, &out)
		case <-time.After(time.Millisecond):
		}
	}
	interrupt()
	exit := <-ended
	record := readRecord(t, filepath.Join(folder, "first-run.record.json"))
	if exit != 130 || record.Finished || len(record.Steps) != 1 || record.Steps[0].Failure == "" {
		t.Errorf("exit status %d, %d steps, %s:\n%s", exit, len(record.Steps), record.Outcome, &out)
	}
}
