package device_test

import (
	"crypto/rand"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
)

// stuck is an entropy source that gives nothing more after it was told so, until
// it is released: a computation that takes long.
type stuck struct{ told, released chan struct{} }

func (s stuck) Read(p []byte) (int, error) {
	select {
	case <-s.told:
		<-s.released
	default:
	}
	return io.ReadFull(rand.Reader, p)
}

func TestCloseDoesNotWaitForALongComputation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entropy := stuck{make(chan struct{}), make(chan struct{})}
		d, err := device.New(device.Config{Flash: blank(t), Serial: "7000001", Entropy: entropy})
		if err != nil {
			t.Fatal(err)
		}
		h := hello(t, d)
		var admin command.SessionOpenResponse
		h.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: command.SlotAdmin}, &admin)
		close(entropy.told)
		_, transfer := h.request(command.CodeRandom, admin.Session, command.RandomRequest{Length: 32})
		h.send(transfer)
		synctest.Wait()
		began := time.Now()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		close(entropy.released) // the worker ends, which the bubble waits for
	})
}
