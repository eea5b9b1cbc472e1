package transfers

import "usbhsm7/firmware/command"

// Defect is a way to get it wrong: a device that forgets, or a host that has it
// forget.
type Defect struct {
	Name string
	Like string // a report of such a defect somewhere; "" = none is known

	stale  bool // what a device finds when power comes back is what it found the last time
	aborts bool // the upload is given up when a host opens the link
	blind  bool // the host goes on behind the last chunk that it sent, and does not ask what is there
}

// Defects returns defects that a run has to notice.
func Defects() []Defect {
	return []Defect{
		{Name: "chunks that were acknowledged are gone when power comes back", Like: "zephyr#40895", stale: true},
		{Name: "an upload is given up when a host opens the link", Like: "nitrokey-start#24", aborts: true},
		{Name: "the host goes on behind the last chunk that it sent", Like: "zephyr#51798", blind: true},
	}
}

// skips reports whether a host leaves a chunk out.
func (d *Defect) skips(sent, i uint) bool { return d != nil && d.blind && i < sent }

// open is what happens when a host has opened the link.
func (d *Defect) open(h *host) error {
	if d == nil || !d.aborts {
		return nil
	}
	var status command.UpdateStatus
	if err := h.ask(command.CodeUpdateStatus, h.session, nil, &status); err != nil || status.State != command.UpdateReceiving {
		return err
	}
	if err := h.login(); err != nil {
		return err
	}
	if err := h.ask(command.CodeUpdateAbort, h.session, nil, nil); err != nil {
		return err
	}
	return h.ask(command.CodeLogout, h.session, nil, nil)
}
