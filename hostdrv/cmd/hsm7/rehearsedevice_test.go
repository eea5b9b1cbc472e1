package main

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"usbhsm7/firmware/flash"
)

// A simulator that runs writes to its flash.bin: what is read of that file is no state
// in which the device ever was.
func TestARunningSimulatorIsRehearsedAsItIsAtOneMoment(t *testing.T) {
	dir := t.TempDir()
	chip := func(content string) *flash.Memory {
		t.Helper()
		m, err := flash.NewMemory(flash.DefaultGeometry())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Program(0, []byte(content)); err != nil {
			t.Fatal(err)
		}
		return m
	}
	onDisk, atOneMoment := chip("torn"), chip("whole")
	file, err := os.Create(filepath.Join(dir, "flash.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := onDisk.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	reads := func(when string, want *flash.Memory) {
		t.Helper()
		got, err := readDevice(t.Context(), dir)
		if err != nil || got.Digest() != want.Digest() {
			t.Errorf("%s: another flash, or %v", when, err)
		}
	}
	reads("no simulator has run", onDisk)

	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	reads("a simulator has run", onDisk)

	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	_, err = readDevice(t.Context(), dir)
	if !errors.Is(err, errRunning) || !strings.Contains(hint(err), "hsm7 sim snapshot") || exitStatus(err) != 3 {
		t.Errorf("a simulator whose control socket is elsewhere: exit status %d, %v", exitStatus(err), err)
	}

	listener, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = atOneMoment.WriteTo(w) })}
	done := make(chan error)
	go func() { done <- server.Serve(listener) }()
	reads("a simulator runs", atOneMoment)
	_ = server.Close()
	<-done
}
