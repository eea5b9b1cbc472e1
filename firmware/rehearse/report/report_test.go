package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usbhsm7/firmware/rehearse/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// example is a report with a phase of each kind.
func example() *report.Report {
	r := &report.Report{
		Schema: report.Schema, Tool: "hsm7 1.0", Seed: 1, Depth: "quick",
		File:   report.File{Name: "a<b>.fuf", SHA256: "aa", Bytes: 44946, Product: "usbhsm7", Version: "7.9.3", SecurityVersion: 2},
		Device: report.Device{Name: "./state", Digest: "bb", Model: "U700", Firmware: "7.9.2", Rollback: "7.9.1", Security: 1},
	}
	r.Add(report.Phase{
		Name: "cuts", Title: "The power fails", Unit: "crash states", Tried: 12345, Cases: []report.Case{{"update", 12000}, {"rollback", 345}},
		Tables: []report.Table{{"What was going on", []string{"Scenario", "Crash states"}, [][]string{{"update", "12,000"}}}}, Notes: []string{"All & everything."},
		Failures: []report.Failure{{"update", "the device starts", "no firmware", "cuts/update: cut=p1/prog@0x0#1:before", "hsm7 fuf replay '...'"}},
	})
	r.Add(report.Phase{Name: "mutants", Title: "The file is damaged", Unit: "mutants", Tried: 7, Cases: []report.Case{{"bits flipped", 7}}})
	r.Add(report.Phase{Name: "transfers", Title: "Over USB", Skipped: "there is nothing to try"})
	return r
}

func TestReportsAreWrittenAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	files, err := example().Write(filepath.Join(dir, "new"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", filepath.Base(name))
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not as it was (%v); -update rewrites it", golden, err)
		}
	}
}

func TestAFileThatCannotBeReadHasATitle(t *testing.T) {
	r := example()
	r.File = report.File{Name: "torn.fuf", SHA256: "aa", Bytes: 7}
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<h1>Rehearsal of a file that cannot be read (torn.fuf)</h1>", "<dd>unknown</dd>"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

func TestMachinesCanReadTheReport(t *testing.T) {
	var b bytes.Buffer
	if err := example().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var again report.Report
	if err := json.Unmarshal(b.Bytes(), &again); err != nil || again.Failed != 1 || len(again.Phases) != 3 {
		t.Errorf("%+v, %v", again, err)
	}
	b.Reset()
	if err := example().JUnit(&b); err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Tests   int `xml:"tests,attr"`
			Skipped int `xml:"skipped,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &suites); err != nil || suites.Failures != 1 || len(suites.Suites) != 3 || suites.Suites[0].Tests != 2 || suites.Suites[2].Skipped != 1 {
		t.Errorf("%+v, %v", suites, err)
	}
}

func TestPageNeedsNothingElseAndEscapesWhatIsShown(t *testing.T) {
	var b bytes.Buffer
	if err := example().HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, foreign := range []string{"http://", "https://", "src=", "<script", "a<b>"} {
		if strings.Contains(page, foreign) {
			t.Errorf("the page has %q", foreign)
		}
	}
	for _, part := range []string{"a&lt;b&gt;.fuf, 44,946 bytes", "1 failed", "left out", "One case failed", `<td class="figure">12,000</td>`} {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not have %q", part)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		phases []report.Phase
		want   string
	}{
		{[]report.Phase{{}}, "Nothing failed: whatever happens"},
		{[]report.Phase{{}, {Skipped: "why"}}, "Nothing failed, but 1 of 2"},
		{[]report.Phase{{Failures: make([]report.Failure, 2)}}, "2 cases failed"},
	} {
		r := &report.Report{}
		for _, p := range c.phases {
			r.Add(p)
		}
		if got := r.Verdict(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestNumbersHaveCommas(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := report.Number(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
