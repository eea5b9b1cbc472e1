package token

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/ikey"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	right = []byte("12345678")
	wrong = []byte("87654321")
	data  = []byte("what a device wrote on the key")
)

var errCut = errors.New("power failed")

// chipMemory is a memory whose power can fail at a write.
type chipMemory struct {
	content []byte
	cut     int  // the write at which power fails, from 0; -1 = none
	kept    bool // that write is durable
	writes  int
	off     bool // power has failed
}

func newMemory(content []byte) *chipMemory { return &chipMemory{content: content, cut: -1} }

func (m *chipMemory) Load() ([]byte, error) {
	if m.off {
		return nil, errCut
	}
	return bytes.Clone(m.content), nil
}

func (m *chipMemory) Replace(b []byte) error {
	if m.off {
		return errCut
	}
	m.off = m.writes == m.cut
	m.writes++
	if !m.off || m.kept {
		m.content = bytes.Clone(b)
	}
	if m.off {
		return errCut
	}
	return nil
}

// chip returns a token with this memory whose PINs are quick to try.
func chip(m Memory) *Token {
	t := New(m, rand.NewChaCha8([32]byte{1}))
	t.cost = minCost
	return t
}

// with returns the memory of a token that holds data under a PIN.
func with(t testing.TB, pin []byte) *chipMemory {
	t.Helper()
	m := newMemory(nil)
	if err := Format(m); err != nil {
		t.Fatal(err)
	}
	if err := chip(m).Write(ikey.SO, data, pin); err != nil {
		t.Fatal(err)
	}
	m.writes = 0
	return m
}

func blank(t testing.TB) *chipMemory {
	t.Helper()
	m := newMemory(nil)
	if err := Format(m); err != nil {
		t.Fatal(err)
	}
	m.writes = 0
	return m
}

func identify(t testing.TB, m Memory) ikey.Info {
	t.Helper()
	info, err := chip(m).Identify()
	if err != nil {
		t.Fatal(err)
	}
	return info
}
