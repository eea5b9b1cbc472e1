package lab

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// The names are an interface: other programs read the report.
func TestReportHasTheDocumentedFields(t *testing.T) {
	root := t.TempDir() // no git checkout
	r := Report{
		Kernel: "6.1.0", Seconds: 2.5, Complaints: []string{"kernel BUG"},
		Checks: []Check{{Name: "it works", OK: true, Seconds: 1, Detail: "well"}},
	}
	if err := r.Write(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "build", "lab.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Commit  string
		Kernel  string
		Seconds float64
		Checks  []struct {
			Name   string
			OK     bool
			Detail string
		}
		Complaints int `json:"kernel_complaints"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Commit != "unknown" || got.Kernel != "6.1.0" || got.Seconds != 2.5 || got.Complaints != 1 ||
		len(got.Checks) != 1 || got.Checks[0].Name != "it works" || !got.Checks[0].OK || got.Checks[0].Detail != "well" {
		t.Errorf("report reads as %+v:\n%s", got, text)
	}
}
