package client

import (
	"errors"
	"fmt"
	"io"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// read carries out what the server sends, until the connection ends.
func (d *Device) read() error {
	for {
		if _, err := io.ReadFull(d.in, d.header[:]); err != nil {
			return disconnected(err)
		}
		var err error
		switch command := d.header.Command(); command {
		case proto.RetSubmit:
			err = d.submitReply()
		case proto.RetUnlink:
			err = d.unlinkReply()
		default:
			err = malformed("unknown command %d", command)
		}
		if err != nil {
			return err
		}
	}
}

func disconnected(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrDisconnected
	}
	return fmt.Errorf("%w: %w", ErrDisconnected, err)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", proto.ErrMalformed, fmt.Sprintf(format, args...))
}

// submitReply ends a URB with its own result. The data of an IN URB goes
// straight into its buffer, which is the reader's until Done.
func (d *Device) submitReply() error {
	r, err := proto.ParseSubmitReply(&d.header)
	if err != nil {
		return err
	}
	u, err := d.replied(&r)
	if err != nil {
		return err
	}
	if err := d.readResult(u, &r); err != nil {
		return err
	}
	d.mu.Lock()
	d.forget(d.pending[r.Seq])
	d.mu.Unlock()
	u.Complete(int(r.Actual), r.Status)
	return nil
}

// readResult reads what follows the header of a reply.
func (d *Device) readResult(u *usb.URB, r *proto.SubmitReply) error {
	if u.Packets != nil {
		return d.readIsoResult(u, r)
	}
	if u.In() {
		if _, err := io.ReadFull(d.in, u.Buffer[:r.Actual]); err != nil {
			return disconnected(err)
		}
	}
	return nil
}

// replied finds the URB of a reply. It stays pending until its data has arrived.
// A server that claims to have taken more than it was sent does not end the
// connection, for nothing follows that claim; Complete cuts it.
func (d *Device) replied(r *proto.SubmitReply) (*usb.URB, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.pending[r.Seq]
	switch {
	case t == nil:
		return nil, malformed("reply to SUBMIT %d, which is not pending", r.Seq)
	case t.urb.In() && int(r.Actual) > len(t.urb.Buffer):
		return nil, malformed("reply to SUBMIT %d with %d bytes, asked for %d", r.Seq, r.Actual, len(t.urb.Buffer))
	case t.urb.Packets != nil && (r.Packets < 0 || int(r.Packets) > len(t.urb.Packets)):
		return nil, malformed("reply to SUBMIT %d with %d isochronous packets, asked for %d",
			r.Seq, r.Packets, len(t.urb.Packets))
	}
	return t.urb, nil
}

// forget takes an ended URB off the books. The lock is held.
func (d *Device) forget(t *transfer) {
	delete(d.pending, t.seq)
	delete(d.byURB, t.urb)
	t.urb = nil
	if !t.unlinked {
		d.recycle(t) // otherwise the reply to the UNLINK still needs it
	}
}

func (d *Device) recycle(t *transfer) { t.next, d.idle = d.idle, t }

// unlinkReply ends a URB that was cancelled, or confirms that it had ended.
func (d *Device) unlinkReply() error {
	r, err := proto.ParseUnlinkReply(&d.header)
	if err != nil {
		return err
	}
	if u := d.unlinkReplied(&r); u != nil {
		u.Complete(0, cancelStatus(r.Status))
	}
	return nil
}

// cancelStatus returns how a URB ends that has no reply but that to its UNLINK.
// Linux's stub driver sends 0 for a URB that finished while it was being
// cancelled. What the URB moved is not known then, so it does not end as success.
func cancelStatus(s usb.Status) usb.Status {
	if s == usb.OK {
		return usb.ECONNRESET
	}
	return s
}

// unlinkReplied returns the URB that the reply to an UNLINK ends, or nil. Neither
// an unknown UNLINK nor a status that contradicts an earlier reply is a fault:
// the stream goes on, and Linux's vhci driver only writes a line to its log.
func (d *Device) unlinkReplied(r *proto.UnlinkReply) *usb.URB {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.unlinks[r.Seq]
	if t == nil {
		return nil
	}
	delete(d.unlinks, r.Seq)
	u := t.urb
	t.unlinked = false
	if u == nil {
		d.recycle(t)
	} else {
		d.forget(t)
	}
	return u
}
