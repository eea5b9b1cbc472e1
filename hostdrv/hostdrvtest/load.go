package hostdrvtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv"
)

// pipelines lets eight callers sign at the same time.
func pipelines(t *testing.T, goal Target) {
	const callers, each = 8, 25
	s := initialise(t, dial(t, goal))
	signer, err := s.Signer(deadline(t), generateEC(t, s, "pipeline").Private)
	must(t, err)
	public := signer.Public().(*ecdsa.PublicKey)
	together(callers, func(caller int) {
		for i := range each {
			var message [8]byte
			binary.LittleEndian.PutUint32(message[:], uint32(caller))
			binary.LittleEndian.PutUint32(message[4:], uint32(i))
			digest := sha256.Sum256(message[:])
			signature, err := signer.SignContext(deadline(t), digest[:], hash256)
			if err != nil || !ecdsa.VerifyASN1(public, digest[:], signature) {
				t.Errorf("caller %d, signature %d: %v, or it does not verify", caller, i, err)
				return
			}
		}
	})
}

// together runs f in n goroutines and waits for them.
func together(n int, f func(int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// cancels gives calls up at random moments between others that must succeed.
func cancels(t *testing.T, goal Target) {
	dev := dial(t, goal)
	together(8, func(caller int) {
		data := bytes.Repeat([]byte{byte(caller)}, 1000)
		for range 50 {
			ctx, cancel := context.WithCancel(deadline(t))
			if caller%2 == 0 {
				go cancel()
			}
			got, err := dev.Echo(ctx, data)
			cancel()
			given := caller%2 == 0 && errors.Is(err, context.Canceled)
			if !given && (err != nil || !bytes.Equal(got, data)) {
				t.Errorf("caller %d: %v, or other data", caller, err)
				return
			}
		}
	})
}

// cborOverhead is what CBOR adds around the data of a long echo.
const cborOverhead = 7

func longest(t *testing.T, goal Target) {
	dev := dial(t, goal)
	data := make([]byte, frame.MaxMessage-cborOverhead)
	for i := range data {
		data[i] = byte(i>>16 ^ i)
	}
	got, err := dev.Echo(deadline(t), data)
	must(t, err)
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back, or others", len(got))
	}
}

func oversize(t *testing.T, goal Target) {
	dev := dial(t, goal)
	_, err := dev.Echo(deadline(t), make([]byte, frame.MaxMessage))
	if !errors.Is(err, command.StatusDataLenRange) {
		t.Errorf("a message over 16 MiB: %v, want %v", err, command.StatusDataLenRange)
	}
	alive(t, dev)
}

// alive shows that the device still answers.
func alive(t *testing.T, dev *hostdrv.Device) {
	t.Helper()
	got, err := dev.Echo(deadline(t), []byte("alive"))
	if err != nil || string(got) != "alive" {
		t.Fatalf("echo %q, %v", got, err)
	}
}

// turns sends large messages, more than the device holds unfinished, between
// many small ones.
func turns(t *testing.T, goal Target) {
	dev := dial(t, goal)
	sizes := []int{100, 3 << 20, 70_000, 100, 2 << 20, 100, 3 << 20, 65_000}
	together(len(sizes), func(caller int) {
		data := bytes.Repeat([]byte{byte(caller), 7, 3}, sizes[caller]/3)
		for range 3 {
			got, err := dev.Echo(deadline(t), data)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("echo of %d bytes: %v, or other data", len(data), err)
				return
			}
		}
	})
}
