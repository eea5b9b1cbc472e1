package replay_test

import (
	"bytes"
	"testing"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/replay"
	"usbhsm7/usbip/usb"
)

// FuzzReplay makes a device of any file and lets a host of few words use it. Every
// URB comes back exactly once, with no more than it has room for.
func FuzzReplay(f *testing.F) {
	f.Add(record(f, capture.Header{}, conversation), []byte{0, 1, 2, 3})
	f.Add(twoDevices(f), []byte{3, 2, 1})
	f.Fuzz(func(t *testing.T, file, script []byte) {
		packets, err := capture.NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		r, err := replay.Load(packets, replay.Options{MaxBytes: 1 << 20})
		if err != nil {
			return
		}
		d := replay.New(r, replay.Exact{})
		if _, err := d.Connect(); err != nil {
			t.Fatal(err)
		}
		ends := 0
		for _, step := range script {
			u := &usb.URB{Endpoint: step & 0x8f, Setup: usb.Setup{Request: step}, Buffer: make([]byte, step&0x70)}
			u.Done = func(u *usb.URB) {
				ends++
				if u.Actual > len(u.Buffer) {
					t.Errorf("%d bytes in a buffer of %d", u.Actual, len(u.Buffer))
				}
			}
			d.Submit(u)
			if step&1 == 1 {
				d.Cancel(u)
			}
		}
		d.Disconnect()
		if ends != len(script) {
			t.Errorf("%d URBs of %d came back", ends, len(script))
		}
		d.Report()
	})
}
