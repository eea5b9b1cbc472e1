package token

import (
	"context"
	"errors"
	"sync"

	"usbhsm7/ikey"
	"usbhsm7/ikey/internal/wire"
	"usbhsm7/usbip/usb"
)

// Stick is a token as the USB device that is plugged in.
type Stick struct {
	*usb.Device
	token  *Token
	cancel context.CancelFunc
	served sync.WaitGroup
}

// NewStick returns a device with a token in it, plugged in. It does not tell
// which token it is: it has no serial number. Its goroutine ends with Close.
func NewStick(t *Token) (*Stick, error) {
	device, err := usb.NewDevice(descriptors(), nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Stick{Device: device, token: t, cancel: cancel}
	s.served.Go(func() { s.serve(ctx) })
	return s, nil
}

func descriptors() usb.Descriptors {
	bulk := usb.Endpoint{Type: usb.Bulk, MaxPacketSize: wire.Packet}
	out, in := bulk, bulk
	out.Address, in.Address = wire.Out, wire.In
	return usb.Descriptors{
		Speed: wire.Speed, Vendor: wire.Vendor, Product: wire.Product, Release: 0x0100,
		ProductName: "iKey",
		Configurations: []usb.Configuration{{
			Value: wire.Config, MaxPower: 100,
			Interfaces: []usb.Interface{{Class: wire.Class, Endpoints: []usb.Endpoint{out, in}}},
		}},
	}
}

// Close pulls the device out, if it is plugged in, and waits for the end of what
// it is doing.
func (s *Stick) Close() {
	s.Unplug()
	s.cancel()
	s.served.Wait()
}

// serve answers requests until ctx ends.
func (s *Stick) serve(ctx context.Context) {
	out, in := s.Out(wire.Out), s.In(wire.In)
	request := make([]byte, wire.MaxRequest)
	defer clear(request)
	for {
		n, err := out.Read(ctx, request)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, usb.ErrReset): // what came before belongs to nobody
			continue
		case err != nil: // longer than any request
			n = 0
		}
		response := s.token.answer(request[:n])
		_ = in.Write(ctx, response) // a host that has left needs no answer
		clear(response)
		clear(request)
	}
}

// answer carries out a request. It returns an encoded response.
func (t *Token) answer(request []byte) []byte {
	q, err := wire.ParseRequest(request)
	r := wire.Response{Status: wire.Malformed}
	if err == nil {
		r = t.carryOut(&q)
	}
	r.Tag = q.Tag
	defer clear(r.Data)
	b, err := r.Encode()
	if err != nil { // no token stores so much
		return nil
	}
	return b
}

func (t *Token) carryOut(q *wire.Request) (r wire.Response) {
	var err error
	switch q.Op {
	case wire.Identify:
		var info ikey.Info
		info, err = t.Identify()
		r = wire.Response{Kind: uint8(info.Kind), HasPIN: info.PIN, Tries: uint8(info.TriesLeft)}
	case wire.Read:
		r.Data, err = t.Read(q.PIN)
	case wire.Write:
		err = t.Write(ikey.Kind(q.Kind), q.Data, q.NewPIN)
	case wire.ChangePIN:
		err = t.ChangePIN(q.PIN, q.NewPIN)
	case wire.Erase:
		err = t.Erase()
	default:
		err = wire.ErrMessage
	}
	r.Status = status(err)
	return r
}

// statuses say what a device is told of an error. Of two that fit, the first
// counts.
var statuses = []struct {
	err    error
	status wire.Status
}{
	{nil, wire.OK},
	{ikey.ErrPIN, wire.WrongPIN},
	{ikey.ErrBlank, wire.Blank},
	{ikey.ErrPINRule, wire.BadPIN},
	{ikey.ErrWorn, wire.Worn},
	{ikey.ErrContents, wire.Malformed},
	{wire.ErrMessage, wire.Malformed},
}

func status(err error) wire.Status {
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return wire.Damaged
}
