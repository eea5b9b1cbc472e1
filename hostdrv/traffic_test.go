package hostdrv

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"usbhsm7/firmware/frame"
)

// A payload must not outlive its way to the device, whichever way that ends.
func TestPayloadsAreWiped(t *testing.T) {
	for name, end := range map[string]func(*traffic){
		"sent": func(tr *traffic) {
			for _, o := range tr.take(nil) {
				tr.finished(o)
			}
			tr.fail(errors.New("end"))
		},
		"never sent":         func(tr *traffic) { tr.fail(errors.New("end")) },
		"held by the writer": func(tr *traffic) { (&writer{traffic: tr, active: tr.take(nil)}).wipe(); tr.fail(errors.New("end")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := newTraffic(1)
				payload := []byte("a secret password")
				done := make(chan struct{})
				go func() {
					defer close(done)
					r, err := tr.send(t.Context(), frame.Message{Type: frame.TypeRequest, Payload: payload})
					if err == nil {
						err = tr.wait(t.Context(), r)
					}
					if err == nil {
						t.Error("an answer out of nothing")
					}
				}()
				synctest.Wait()
				end(tr)
				<-done
				if len(bytes.Trim(payload, "\x00")) != 0 {
					t.Errorf("%q is still in memory", payload)
				}
			})
		})
	}
}

// A request that is not even begun is wiped too.
func TestThePayloadOfARequestAfterTheEndIsWiped(t *testing.T) {
	tr := newTraffic(1)
	end := errors.New("end")
	tr.fail(end)
	payload := []byte("a secret password")
	if _, err := tr.send(t.Context(), frame.Message{Payload: payload}); !errors.Is(err, end) {
		t.Errorf("error %v, want %v", err, end)
	}
	if len(bytes.Trim(payload, "\x00")) != 0 {
		t.Errorf("%q is still in memory", payload)
	}
}

func TestTagsSkipZeroAndThoseInFlight(t *testing.T) {
	tr := newTraffic(4)
	tr.lastTag = 0xffff_fffe
	tr.inFlight[1] = &request{}
	for _, want := range []uint32{0xffff_ffff, 2, 3} {
		if got := tr.nextTag(); got != want {
			t.Errorf("tag %#x, want %#x", got, want)
		}
	}
}
