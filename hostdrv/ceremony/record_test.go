package ceremony_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"usbhsm7/hostdrv/ceremony"
)

var update = flag.Bool("update", false, "write the golden files anew")

// record is one in which something of everything happened.
func record() *ceremony.Record {
	at := func(second int) ceremony.Moment {
		return ceremony.Moment{Device: time.Date(2030, 1, 1, 9, 0, second, 0, time.UTC), Wall: time.Date(2026, 5, 4, 10, 0, second, 0, time.UTC)}
	}
	return &ceremony.Record{
		Format: ceremony.Format, Program: "1.0", Title: "A <small> ceremony", Purpose: "To test & to show.",
		File: ceremony.File{Name: "small.yaml", SHA256: strings.Repeat("ab", 32)}, Mode: ceremony.Rehearsal, Seed: "seed",
		Unit:    ceremony.Unit{Model: "Model", Serial: "7000001", Firmware: "7.9.2"},
		Outcome: "stopped at step 2, Use: it did not go well",
		People:  []ceremony.Participant{{ID: "alice", Name: "Alice Archer", Is: "custodian"}, {ID: "walter", Name: "Walter Wright", Is: "witness"}}, Witnesses: []string{"walter"},
		Keysets:  []ceremony.Keyset{{ID: "so", For: "HSM Security Officer", Sticker: "blue", Open: 1, Keys: []ceremony.Key{{Key: "so-1", Holder: "alice"}}}},
		Pictures: map[string][]byte{"01": []byte("a picture")},
		Steps: []ceremony.Done{
			{Number: 1, ID: "make", Pass: 1, Title: "Make", Fault: "everybody walks away", Does: "hsm7 hsm init", Began: at(0), Ended: at(2), Exit: 5},
			{
				Number: 1, ID: "make", Pass: 1, Title: "Make", Say: "Now.", Who: []string{"alice"}, Does: "hsm7 hsm init", Began: at(3), Ended: at(9), Output: "HSM initialised",
				Before: strings.Repeat("01", 32), After: strings.Repeat("02", 32),
				Screens: []ceremony.Shown{
					{Device: at(4).Device, Screen: "write/insert", Title: "Insert an iKey", Text: []string{"iKey 1"}, Who: "alice", Did: []string{"inserts so-1"}, Picture: "01"},
					{Device: at(5).Device, Screen: "reveal", Title: "Challenge secret", Did: []string{"goes on"}},
					{Device: at(6).Device, Screen: "read/blank", Title: "Blank iKey", Unexpected: true},
				},
				Files: []ceremony.File{{Name: "root.pem", SHA256: strings.Repeat("cd", 32), Size: 700}},
			},
			{Number: 2, ID: "use", Pass: 1, Title: "Use", Began: at(10), Ended: at(11), Exit: 1, Failure: "it did not go well"},
		},
	}
}

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	var text bytes.Buffer
	if err := record().Write(&text); err != nil {
		t.Fatal(err)
	}
	read, err := ceremony.ReadRecord(&text)
	if err != nil || !reflect.DeepEqual(read, record()) {
		t.Errorf("read %+v, %v", read, err)
	}
}

func TestWhatIsNoRecordIsRefused(t *testing.T) {
	for _, text := range []string{"", "[]", `{"format":2}`, `{"format":1,"colour":"red"}`} {
		if _, err := ceremony.ReadRecord(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken for a record", text)
		}
	}
}

// TestReport compares the page with a golden file: look at that in a browser when
// it changes.
func TestReport(t *testing.T) {
	var page bytes.Buffer
	if err := record().WriteReport(&page); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "report.html")
	if *update {
		if err := os.WriteFile(golden, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(page.Bytes(), want) {
		t.Errorf("the page is not that of %s, which go test -update writes (%v)", golden, err)
	}
}

func TestReportNeedsNothingElse(t *testing.T) {
	var page bytes.Buffer
	if err := record().WriteReport(&page); err != nil {
		t.Fatal(err)
	}
	for _, foreign := range []string{"http:", "https:", "<script", "<link", "@import", "url(", "ZgotmplZ", "<small>"} {
		if strings.Contains(page.String(), foreign) {
			t.Errorf("the page holds %s", foreign)
		}
	}
}

func TestRecordAndReportAreSavedTogether(t *testing.T) {
	folder := t.TempDir()
	for range 2 { // the second time they are replaced
		if err := record().Save(folder); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 2 || entries[0].Name() != "small.record.json" || entries[1].Name() != "small.report.html" {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "small.record.json"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "small.report.html"))
	if digest := fmt.Sprintf("SHA-256 %x", sha256.Sum256(text)); err != nil || !bytes.Contains(page, []byte(digest)) {
		t.Errorf("the report does not name the digest of the record, %s (%v)", digest, err)
	}
	if err := record().Save(filepath.Join(folder, "none")); err == nil {
		t.Error("a folder that is not there does")
	}
}

func FuzzReadRecord(f *testing.F) {
	var text bytes.Buffer
	if err := record().Write(&text); err != nil {
		f.Fatal(err)
	}
	f.Add(text.Bytes())
	f.Add([]byte(`{"format":1,"title":"</style><script>","steps":[{"screens":[{"picture":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		read, err := ceremony.ReadRecord(bytes.NewReader(text))
		if err != nil {
			return
		}
		var page bytes.Buffer
		if err := read.WriteReport(&page); err != nil || bytes.Contains(page.Bytes(), []byte("<script")) {
			t.Errorf("a record that is read makes no harmless report: %v", err)
		}
	})
}
