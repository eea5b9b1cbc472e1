package store_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

// committerFile tells the test binary to be the process that gets killed, and
// on which file.
const committerFile = "STORE_TEST_COMMITTER_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(committerFile); path != "" {
		fmt.Fprintln(os.Stderr, commitForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// commitForever counts up in a store, printing each number once it is durable.
// Each commit has a second record that tells if only half of it survives.
func commitForever(path string) error {
	chip, err := flash.OpenFile(path, flash.DefaultGeometry())
	if err != nil {
		return err
	}
	s, err := store.Open(chip)
	if err != nil {
		return err
	}
	for n := number(s, "count") + 1; ; n++ {
		var b store.Batch
		b.Put("count", strconv.AppendInt(nil, int64(n), 10))
		b.Put(fmt.Sprintf("value/%03d", n%500), make([]byte, n%7000))
		b.Put("check", strconv.AppendInt(nil, int64(n), 10))
		if err := s.Commit(&b); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// number returns a number in the store, 0 if there is none.
func number(s *store.Store, key string) int {
	value, _ := s.Get(key)
	n, _ := strconv.Atoi(string(value))
	return n
}

func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flash")
	r := rand.New(rand.NewPCG(9, 9))
	for round := range 12 {
		acknowledged := killAfter(t, path, 1+r.IntN(120))
		chip, err := flash.OpenFile(path, flash.DefaultGeometry())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		s := mustOpen(t, chip)
		count, check := number(s, "count"), number(s, "check")
		if count != check || count < acknowledged || count > acknowledged+1 {
			t.Fatalf("round %d: %d was acknowledged, found %d and %d", round, acknowledged, count, check)
		}
		if err := chip.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter runs a process that commits to path, kills it somewhere behind n
// acknowledgements, and returns the last number it acknowledged.
func killAfter(t *testing.T, path string, n int) (last int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), committerFile+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range n {
		if !lines.Scan() {
			t.Fatal("the process ended by itself")
		}
		last = mustAtoi(t, lines.Text())
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		last = mustAtoi(t, lines.Text()) // acknowledged before it died
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Log(err)
	}
	_ = child.Wait() // killed: always an error
	return last
}

func mustAtoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
