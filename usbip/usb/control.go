package usb

import "errors"

// runControl carries out the control URBs that wait, in order. The lock is held,
// except while the handler runs.
func (d *Device) runControl() {
	if d.controlBusy {
		return
	}
	d.controlBusy = true
	for u := d.control.pop(); u != nil; u = d.control.pop() {
		actual, status := d.carryOut(u)
		d.finish(u, actual, status)
	}
	d.controlBusy = false
}

// carryOut runs one control transfer and returns how many bytes its data stage
// moved.
func (d *Device) carryOut(u *URB) (int, Status) {
	s := u.Setup
	if s.Length != 0 && s.In() != u.In() {
		return 0, EPIPE
	}
	stage := u.Buffer[:min(len(u.Buffer), int(s.Length))]
	reply, status := d.request(s, stage)
	switch {
	case status != OK:
		return 0, status
	case s.In():
		return copy(stage, reply), OK
	}
	return len(stage), OK
}

// request finds who answers s.
func (d *Device) request(s Setup, stage []byte) ([]byte, Status) {
	switch {
	case s.RequestType&TypeMask == TypeStandard:
		return d.standard(s)
	case s.RequestType == TypeClass|RecipientOther && s.Request == SetFeature && s.Value == FeaturePortReset:
		d.resetPort()
		return nil, OK
	case d.microsoft != nil && s.RequestType == DirIn|TypeVendor|RecipientDevice &&
		s.Request == d.descriptors.Microsoft.VendorCode && s.Index == microsoftSetIndex:
		return d.microsoft, OK
	case d.handler == nil:
		return nil, EPIPE
	}
	return d.callHandler(s, stage)
}

func (d *Device) callHandler(s Setup, stage []byte) ([]byte, Status) {
	if s.In() {
		stage = nil
	}
	d.mu.Unlock()
	defer d.mu.Lock()
	reply, err := d.handler.Control(s, stage)
	if err == nil {
		return reply, OK
	}
	var status Status
	if !errors.As(err, &status) || status == OK {
		status = EPIPE
	}
	return nil, status
}
