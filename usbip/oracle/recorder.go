package oracle

import (
	"hash/maphash"
	"slices"
	"sync"

	"usbhsm7/usbip/usb"
)

// tagShift is where a tag stands in the flags of a URB: above the bits that mean
// anything to a device.
const tagShift = 8

// WithTag returns flags that carry a tag, 0 to 1<<24-1, by which a URB is known on
// both sides of a server.
func WithTag(flags usb.TransferFlags, tag uint32) usb.TransferFlags {
	return flags | usb.TransferFlags(tag<<tagShift)
}

// Tag returns the tag in flags.
func Tag(flags usb.TransferFlags) uint32 { return uint32(flags) >> tagShift }

var seed = maphash.MakeSeed()

// Sum condenses data, so that answers can be compared without keeping them.
func Sum(data []byte) uint64 { return maphash.Bytes(seed, data) }

// Moved returns the data that a URB which has ended moved: of an isochronous one
// that of its packets, without the gaps.
func Moved(u *usb.URB) []byte {
	if u.Packets == nil {
		return u.Buffer[:u.Actual]
	}
	var data []byte
	for _, p := range u.Packets {
		data = append(data, u.Buffer[p.Offset:p.Offset+p.Actual]...)
	}
	return data
}

// Decision is the end of a URB at the port of a device.
type Decision struct {
	Tag    uint32
	Status usb.Status
	Actual int
	Sum    uint64 // of the data of an IN URB
}

// Recorder is a usb.Port that records the ends of URBs in their order. It holds a
// lock while it calls Done, so that the order is that in which the server heard
// of them.
type Recorder struct {
	usb.Port

	mu        sync.Mutex
	decisions []Decision

	counting            sync.Mutex
	urbs, bytes         int // pending
	mostURBs, mostBytes int
}

// Submit implements usb.Port.
func (r *Recorder) Submit(u *usb.URB) {
	r.count(1, len(u.Buffer))
	done := u.Done
	u.Done = func(u *usb.URB) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.count(-1, -len(u.Buffer))
		d := Decision{Tag: Tag(u.Flags), Status: u.Status, Actual: u.Actual}
		if u.In() {
			d.Sum = Sum(Moved(u))
		}
		r.decisions = append(r.decisions, d)
		done(u)
	}
	r.Port.Submit(u)
}

func (r *Recorder) count(urbs, bytes int) {
	r.counting.Lock()
	defer r.counting.Unlock()
	r.urbs += urbs
	r.bytes += bytes
	r.mostURBs, r.mostBytes = max(r.mostURBs, r.urbs), max(r.mostBytes, r.bytes)
}

// Decisions returns the ends of URBs so far.
func (r *Recorder) Decisions() []Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.decisions)
}

// Most returns the largest number of URBs, and of bytes of their buffers, that
// were pending at a time.
func (r *Recorder) Most() (urbs, bytes int) {
	r.counting.Lock()
	defer r.counting.Unlock()
	return r.mostURBs, r.mostBytes
}
