package audit_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv/audit"
)

// records returns records with the numbers first to last, an hour apart.
func records(first, last uint64) []command.AuditRecord {
	var list []command.AuditRecord
	for n := first; n <= last; n++ {
		list = append(list, command.AuditRecord{
			Number: n, Before: make([]byte, 16), Code: make([]byte, 32),
			Event: command.AuditEvent{
				Time:  time.Date(2030, 1, 1, 20, 0, 0, 0, time.UTC).Unix() + 3600*int64(n),
				Class: command.AuditAccess, Operation: command.CodeLogin,
			},
		})
	}
	return list
}

// source is a device that has records.
type source struct {
	mu           sync.Mutex
	config       command.AuditConfig
	records      []command.AuditRecord
	acknowledged uint64
	page         int
	fails        error // of an acknowledgement
}

func (s *source) AuditConfig(context.Context) (command.AuditConfig, error) { return s.config, nil }

func (s *source) AuditStatus(context.Context) (r command.AuditStatusResponse, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.records); n > 0 {
		r.Head = command.AuditHead{Number: s.records[n-1].Number, Code: s.records[n-1].Code}
	}
	return r, nil
}

func (s *source) AuditRead(_ context.Context, after uint64) (r command.AuditReadResponse, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, record := range s.records {
		if record.Number <= after || record.Number <= s.acknowledged {
			continue
		}
		if len(r.Records) == s.page {
			r.More = true
			break
		}
		r.Records = append(r.Records, record)
	}
	return r, nil
}

func (s *source) AuditAcknowledge(_ context.Context, through uint64) error {
	if s.fails != nil {
		return s.fails
	}
	s.acknowledged = through
	return nil
}

func open(t *testing.T, directory string) *audit.Log {
	t.Helper()
	l, err := audit.Open(directory, "7000001")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// numbers reads the files of a log.
func numbers(t *testing.T, l *audit.Log) (list []uint64, files []string) {
	t.Helper()
	files, err := l.Files()
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range audit.ReadFiles("7000001", files) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r.Number)
	}
	return list, files
}

func upTo(n uint64) (list []uint64) {
	for i := uint64(1); i <= n; i++ {
		list = append(list, i)
	}
	return list
}

func TestCollectTakesEverythingOnce(t *testing.T) {
	s := &source{records: records(1, 10), page: 3}
	directory := t.TempDir()
	l := open(t, directory)
	if n, err := audit.Collect(t.Context(), s, l, audit.Options{}); n != 10 || err != nil || s.acknowledged != 10 {
		t.Errorf("%d taken, %d acknowledged, %v", n, s.acknowledged, err)
	}
	s.records = records(1, 12)
	l = open(t, directory)
	if n, err := audit.Collect(t.Context(), s, l, audit.Options{}); n != 2 || err != nil {
		t.Errorf("%d taken, %v", n, err)
	}
	if list, files := numbers(t, l); !slices.Equal(list, upTo(12)) || len(files) != 1 {
		t.Errorf("records %v in %v", list, files)
	}
}

func TestRecordsLeaveTheDeviceOnlyWhenTheyAreSafe(t *testing.T) {
	broken := errors.New("broken")
	directory := t.TempDir()
	s := &source{records: records(1, 4), page: 10}
	refuse := func(context.Context, []command.AuditRecord) error { return broken }
	if _, err := audit.Collect(t.Context(), s, open(t, directory), audit.Options{Forward: refuse}); !errors.Is(err, broken) || s.acknowledged != 0 {
		t.Errorf("the log server refused: %v, %d acknowledged", err, s.acknowledged)
	}
	s.fails = broken
	if _, err := audit.Collect(t.Context(), s, open(t, directory), audit.Options{}); err != nil {
		t.Errorf("there is nothing new to acknowledge: %v", err)
	}
	l := open(t, directory)
	if list, _ := numbers(t, l); !slices.Equal(list, upTo(4)) {
		t.Errorf("records %v", list)
	}
}

// TestTheLogOfAResetDeviceIsKeptApart has a device that was reset begin a log
// again, as long as it may be by the time a host looks.
func TestTheLogOfAResetDeviceIsKeptApart(t *testing.T) {
	for _, length := range []uint64{0, 2, 3, 7} {
		directory := t.TempDir()
		if _, err := audit.Collect(t.Context(), &source{records: records(1, 3), page: 10}, open(t, directory), audit.Options{}); err != nil {
			t.Fatal(err)
		}
		reset := &source{records: records(1, length), page: 10}
		for i := range reset.records {
			reset.records[i].Before, reset.records[i].Code = bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{1}, 32)
		}
		n, err := audit.Collect(t.Context(), reset, open(t, directory), audit.Options{})
		if n != 0 || !errors.Is(err, audit.ErrOtherLog) || reset.acknowledged != 0 {
			t.Errorf("of %d records %d taken and %d acknowledged, %v", length, n, reset.acknowledged, err)
		}
	}
}

func TestLineThatACrashCutShortIsTakenAgain(t *testing.T) {
	directory := t.TempDir()
	s := &source{records: records(1, 3), page: 10}
	l := open(t, directory)
	if _, err := audit.Collect(t.Context(), s, l, audit.Options{Keep: true}); err != nil {
		t.Fatal(err)
	}
	_, files := numbers(t, l)
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(whole); cut += 5 {
		if err := os.WriteFile(files[0], whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, directory)
		if _, err := audit.Collect(t.Context(), s, l, audit.Options{Keep: true}); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if got, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(got, whole) {
			t.Fatalf("cut at %d: the file differs, %v", cut, err)
		}
	}
}

func TestFilesRotate(t *testing.T) {
	tests := []struct {
		name   string
		config command.AuditConfig
		want   []string // first records
	}{
		{"never", command.AuditConfig{}, []string{"1"}},
		{"hourly", command.AuditConfig{Rotation: command.RotateHourly}, []string{"1", "2", "3", "4", "5", "6"}},
		{"daily", command.AuditConfig{Rotation: command.RotateDaily}, []string{"1", "4"}}, // 1 to 3 are 21, 22 and 23 h
		{"weekly", command.AuditConfig{Rotation: command.RotateWeekly}, []string{"1"}},
		{"monthly", command.AuditConfig{Rotation: command.RotateMonthly}, []string{"1"}},
		{"by size", command.AuditConfig{Size: 1}, []string{"1", "4"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := open(t, t.TempDir())
			s := &source{config: test.config, records: records(1, 6), page: 2}
			if _, err := audit.Collect(t.Context(), s, l, audit.Options{}); err != nil {
				t.Fatal(err)
			}
			list, files := numbers(t, l)
			var first []string
			for _, f := range files {
				name := strings.TrimSuffix(filepath.Base(f), ".log")
				first = append(first, strings.TrimLeft(name[strings.LastIndexByte(name, '-')+1:], "0"))
			}
			if !slices.Equal(list, upTo(6)) || !slices.Equal(first, test.want) {
				t.Errorf("records %v, files begin with %v, want %v", list, first, test.want)
			}
		})
	}
}

func TestFollowGoesOnUntilItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s := &source{records: records(1, 1), page: 10}
		l := open(t, t.TempDir())
		ended := make(chan int)
		go func() {
			n, err := audit.Collect(ctx, s, l, audit.Options{Follow: true})
			if err != nil {
				t.Error(err)
			}
			ended <- n
		}()
		synctest.Wait()
		s.mu.Lock()
		s.records = records(1, 3)
		s.mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		if n := <-ended; n != 3 {
			t.Errorf("%d taken", n)
		}
	})
}

// checker notes what it is asked.
type checker struct{ requests []command.AuditVerifyRequest }

func (c *checker) AuditVerify(_ context.Context, r command.AuditVerifyRequest) (command.AuditVerifyResponse, error) {
	r.Records = slices.Clone(r.Records)
	c.requests = append(c.requests, r)
	return command.AuditVerifyResponse{Checked: uint64(len(r.Records))}, nil
}

func TestVerifyHandsTheLogOverInParts(t *testing.T) {
	l := open(t, t.TempDir())
	if err := l.Append(records(5, 2104), command.AuditConfig{}); err != nil {
		t.Fatal(err)
	}
	_, files := numbers(t, l)
	c := &checker{}
	head := command.AuditHead{Number: 2104}
	report, err := audit.Verify(t.Context(), c, "7000001", audit.ReadFiles("7000001", files), audit.Extent{First: audit.FirstOf(files[0]), Head: &head})
	if err != nil || report.Checked != 2100 || report.First != 5 || report.Last != 2104 || len(c.requests) != 3 {
		t.Fatalf("%+v, %v in %d requests", report, err, len(c.requests))
	}
	for i, want := range []uint64{4, 1004, 2004} {
		if r := c.requests[i]; r.After == nil || r.After.Number != want || r.Records[0].Number != want+1 || (r.Head != nil) != (i == 2) {
			t.Errorf("request %d begins after %+v with record %d, head %v", i, r.After, r.Records[0].Number, r.Head)
		}
	}
}

func TestVerifyMissesWhatIsBeforeTheFirstLine(t *testing.T) {
	l := open(t, t.TempDir())
	if err := l.Append(records(5, 6), command.AuditConfig{}); err != nil {
		t.Fatal(err)
	}
	_, files := numbers(t, l)
	for _, first := range []uint64{0, 1, 5} {
		c := &checker{}
		if _, err := audit.Verify(t.Context(), c, "7000001", audit.ReadFiles("7000001", files), audit.Extent{First: first}); err != nil {
			t.Fatal(err)
		}
		if after := c.requests[0].After; first < 5 && after != nil || first == 5 && (after == nil || after.Number != 4) {
			t.Errorf("from %d: the device is told that the log begins after %+v", first, after)
		}
	}
}

// TestBadLinesAreLocated edits the second of three lines.
func TestBadLinesAreLocated(t *testing.T) {
	l := open(t, t.TempDir())
	if err := l.Append(records(1, 3), command.AuditConfig{}); err != nil {
		t.Fatal(err)
	}
	_, files := numbers(t, l)
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	second := lines[1]
	for name, c := range map[string]struct {
		edited string
		number uint64 // of the record that the line still holds
	}{
		"another number":  {strings.Replace(second, "2,", "1,", 1), 2},
		"another time":    {strings.Replace(second, "30/01", "31/01", 1), 2},
		"another device":  {strings.Replace(second, "7000001", "7000002", 1), 2},
		"another role":    {strings.Replace(second, "role none", "role so", 1), 2},
		"another result":  {strings.Replace(second, "LUNA_RET_OK", "LUNA_RET_CANCEL", 1), 2},
		"another code":    {strings.Replace(second, ",0000", ",1000", 1), 2},
		"something more":  {"x" + second, 2},
		"no record":       {"hello\n", 0},
		"an empty line":   {"\n", 0},
		"half a record":   {second[:len(second)-9] + "\n", 0},
		"much too long":   {strings.Repeat("x", 1<<20) + second, 0},
		"a record of all": {second[strings.LastIndexByte(second, ',')+1:], 2},
	} {
		t.Run(name, func(t *testing.T) {
			if c.edited == second {
				t.Fatal("nothing is edited")
			}
			if err := os.WriteFile(files[0], []byte(lines[0]+c.edited+lines[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			want := audit.BadLine{File: files[0], Line: 2, Number: c.number}
			report, err := audit.Verify(t.Context(), &checker{}, "7000001", audit.ReadFiles("7000001", files), audit.Extent{})
			if err != nil || report.Genuine() || len(report.BadLines) != 1 || *report.BadLines[0] != want {
				t.Fatalf("%+v, %v, want %+v", report, err, want)
			}
			if checked := uint64(2 + min(c.number, 1)); report.Checked != checked {
				t.Errorf("%d records checked, want %d", report.Checked, checked)
			}
		})
	}
}

func TestALogWithABadLineIsNotGoneOnWith(t *testing.T) {
	directory := t.TempDir()
	l := open(t, directory)
	if err := l.Append(records(1, 1), command.AuditConfig{}); err != nil {
		t.Fatal(err)
	}
	_, files := numbers(t, l)
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], append(whole, "hello\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	var bad *audit.BadLine
	if _, err := audit.Open(directory, "7000001"); !errors.As(err, &bad) || bad.Line != 2 {
		t.Errorf("%v", err)
	}
}

func TestReadingLeavesTheFilesAlone(t *testing.T) {
	directory := t.TempDir()
	l := open(t, directory)
	if err := l.Append(records(1, 3), command.AuditConfig{}); err != nil {
		t.Fatal(err)
	}
	_, files := numbers(t, l)
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	unfinished := whole[:len(whole)-5] // as a collector that writes at this moment leaves it
	if err := os.WriteFile(files[0], unfinished, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := audit.Files(directory, "7000001")
	if err != nil || !slices.Equal(found, files) {
		t.Fatalf("files %v, %v, want %v", found, err, files)
	}
	report, err := audit.Verify(t.Context(), &checker{}, "7000001", audit.ReadFiles("7000001", found), audit.Extent{})
	if err != nil || !report.Genuine() || report.Last != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	if after, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(after, unfinished) {
		t.Errorf("the file has %d bytes, had %d, %v", len(after), len(unfinished), err)
	}
}

func TestArchiveHoldsTheFiles(t *testing.T) {
	l := open(t, t.TempDir())
	if err := l.Append(records(1, 4), command.AuditConfig{Rotation: command.RotateDaily}); err != nil {
		t.Fatal(err)
	}
	_, files := numbers(t, l)
	var out bytes.Buffer
	if err := audit.Archive(&out, files); err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(&out)
	for _, path := range files {
		header, err := archive.Next()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(archive)
		want, _ := os.ReadFile(path)
		if err != nil || header.Name != filepath.Base(path) || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of %d, %v", header.Name, len(got), len(want), err)
		}
	}
}
