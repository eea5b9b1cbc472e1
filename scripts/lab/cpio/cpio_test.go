package cpio_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"usbhsm7/scripts/lab/cpio"
)

func archive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := cpio.NewWriter(&b)
	for _, err := range []error{
		w.Directory("dev", 0o755),
		w.Character("dev/console", 0o600, 5, 1),
		w.File("five", 0o644, []byte("12345")),
		w.File("empty", 0o600, nil),
		w.Link("link", "five"),
		w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// The layout that the kernel's buffer-format.rst gives, field by field.
func TestFirstRecordHasTheDocumentedLayout(t *testing.T) {
	got := archive(t)
	want := "070701" + "00000001" + "000041ED" + "00000000" + "00000000" + "00000001" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000000" + "00000004" + "00000000" + "dev\x00"
	if !bytes.HasPrefix(got, []byte(want)) {
		t.Errorf("archive begins with %q, want %q", got[:len(want)], want)
	}
	if len(got)%4 != 0 {
		t.Errorf("archive of %d bytes does not end on a 4-byte boundary", len(got))
	}
}

func TestArchiveIsReadByTheSystemsOwnTool(t *testing.T) {
	tool, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is missing: run scripts/setup test")
	}
	list := exec.Command(tool, "cpio", "-itv")
	list.Stdin = bytes.NewReader(archive(t))
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("cpio -itv: %v\n%s", err, out)
	}
	lines := strings.Split(string(out), "\n")
	for i, want := range [][]string{
		{"drwxr-xr-x", " dev"},
		{"crw-------", "dev/console"},
		{"-rw-r--r--", " 5 ", "five"},
		{"-rw-------", " 0 ", "empty"},
		{"lrwxrwxrwx", "link"},
	} {
		for _, part := range want {
			if !strings.Contains(lines[i], part) {
				t.Errorf("line %d is %q, want it to hold %q", i, lines[i], part)
			}
		}
	}
}

func TestSameContentGivesTheSameBytes(t *testing.T) {
	if !bytes.Equal(archive(t), archive(t)) {
		t.Error("two archives of the same content differ")
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorIsReportedAndSticks(t *testing.T) {
	w := cpio.NewWriter(fullDisk{})
	if err := w.File("a", 0o644, []byte("x")); !errors.Is(err, errFull) {
		t.Errorf("File: %v, want %v", err, errFull)
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("Close: %v, want %v", err, errFull)
	}
}
