// Package tshark has Wireshark judge captures, for tests. It runs Wireshark's
// command line, which scripts/setup test installs.
package tshark

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// troubled selects what Wireshark dislikes: malformed packets, and expert remarks
// that are warnings or errors.
const troubled = "_ws.malformed || _ws.unreassembled || _ws.expert.severity >= 0x00600000"

// Complaints returns a line for each packet of a file that Wireshark dislikes.
// args are further arguments, such as -d tcp.port==3240,usbip.
func Complaints(t testing.TB, file []byte, args ...string) []string {
	t.Helper()
	return lines(run(t, file, append(args, "-Y", troubled)))
}

// Fields returns the named fields of every packet of a file.
func Fields(t testing.TB, file []byte, names []string, args ...string) [][]string {
	t.Helper()
	args = append(args, "-T", "fields", "-E", "occurrence=a")
	for _, name := range names {
		args = append(args, "-e", name)
	}
	var rows [][]string
	for _, line := range lines(run(t, file, args)) {
		rows = append(rows, strings.Split(line, "\t"))
	}
	return rows
}

func lines(out string) []string {
	if out == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

// run returns what tshark prints.
func run(t testing.TB, file []byte, args []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	tool, err := exec.LookPath("tshark")
	if err != nil {
		t.Fatal("tshark is not installed: scripts/setup test")
	}
	cmd := exec.CommandContext(t.Context(), tool, append([]string{"-n", "-r", path}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir()) // nobody's preferences
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, complaints.Bytes())
	}
	return string(out)
}
