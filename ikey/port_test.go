package ikey_test

import (
	"errors"
	"testing"

	"usbhsm7/ikey"
)

func TestThePortHoldsOneThing(t *testing.T) {
	port := ikey.NewPort()
	first, second := newStick(t), newStick(t)
	insert(t, port, first)
	if err := port.Insert(second); !errors.Is(err, ikey.ErrOccupied) {
		t.Errorf("insert a second key: %v, want %v", err, ikey.ErrOccupied)
	}
	if got := port.Remove(); got != ikey.Peripheral(first) {
		t.Errorf("pulled out %v", got)
	}
	if got := port.Remove(); got != nil {
		t.Errorf("pulled %v out of an empty port", got)
	}
	insert(t, port, second)
	if port.Inside() != ikey.Peripheral(second) {
		t.Error("the second key is not inside")
	}
}

func TestAKeyCanBePutInAgain(t *testing.T) {
	stick := newStick(t)
	r, port := readerOf(t, stick)
	if err := r.Write(t.Context(), contents(), nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		port.Remove()
		if _, err := r.Identify(t.Context()); !errors.Is(err, ikey.ErrNoKey) {
			t.Errorf("after it was pulled out: %v, want %v", err, ikey.ErrNoKey)
		}
		insert(t, port, stick)
		if got, err := r.Read(t.Context(), nil); err != nil || !equal(got, contents()) {
			t.Errorf("read %+v, %v", got, err)
		}
	}
}

func TestChangesAreToldOnceForAll(t *testing.T) {
	port := ikey.NewPort()
	r := ikey.NewReader(port)
	stick := newStick(t)
	told := func() bool {
		select {
		case <-r.Changes():
			return true
		default:
			return false
		}
	}
	if told() {
		t.Error("a change before anything happened")
	}
	insert(t, port, stick)
	port.Remove()
	if !told() {
		t.Error("no change after a key came and went")
	}
	if told() {
		t.Error("told twice")
	}
	port.Remove()
	if _ = port.Insert(stick); !told() {
		t.Error("no change after the key was put in")
	}
	if err := port.Insert(stick); err == nil || told() {
		t.Errorf("a refused key (%v) was told", err)
	}
}
