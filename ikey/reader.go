package ikey

import (
	"context"
	"fmt"

	"usbhsm7/ikey/internal/wire"
)

// Reader is how a unit uses what is plugged into its port: by USB transfers, as
// it would any key. Calls take turns. Every method returns ErrNoKey, ErrNotAKey,
// ErrRemoved if the key was pulled out during the call, ErrDamaged, or the error
// of ctx. After the last three of them a key that was to be changed has its old
// contents or the new ones, whole.
type Reader struct {
	port    *Port
	changes chan struct{}
}

// NewReader returns a reader of what is in the port.
func NewReader(p *Port) *Reader {
	r := &Reader{port: p, changes: make(chan struct{}, 1)}
	p.Notify(r.changes)
	return r
}

// Changes holds a token whenever something was plugged in or pulled out since the
// last one was taken.
func (r *Reader) Changes() <-chan struct{} { return r.changes }

// Identify tells what the key says without its PIN.
func (r *Reader) Identify(ctx context.Context) (Info, error) {
	answer, err := r.ask(ctx, &wire.Request{Op: wire.Identify})
	if err != nil {
		return Info{}, err
	}
	return Info{Kind: Kind(answer.Kind), PIN: answer.HasPIN, TriesLeft: int(answer.Tries)}, nil
}

// Read returns the contents, which the caller wipes. A key without a PIN takes
// any. Errors: ErrBlank; ErrPIN, with which the key has a try less, or has erased
// itself, unless what was given cannot be a PIN; ErrContents; ErrVersion.
func (r *Reader) Read(ctx context.Context, pin []byte) (Contents, error) {
	if CheckPIN(pin) != nil {
		return Contents{}, ErrPIN
	}
	answer, err := r.ask(ctx, &wire.Request{Op: wire.Read, PIN: pin})
	if err != nil {
		return Contents{}, err
	}
	defer clear(answer.Data)
	return DecodeContents(answer.Data)
}

// Write replaces the contents of the key, and its PIN; an empty one is none.
// Errors: ErrContents, ErrPINRule, ErrWorn.
func (r *Reader) Write(ctx context.Context, c Contents, pin []byte) error {
	if err := CheckPIN(pin); err != nil {
		return err
	}
	data, err := c.Encode()
	if err != nil {
		return err
	}
	defer clear(data)
	_, err = r.ask(ctx, &wire.Request{Op: wire.Write, Kind: uint8(c.Kind), NewPIN: pin, Data: data})
	return err
}

// ChangePIN replaces one PIN by another; an empty one is none. Errors: those of
// Read for the old one, ErrPINRule for the new one, ErrWorn.
func (r *Reader) ChangePIN(ctx context.Context, old, pin []byte) error {
	if CheckPIN(old) != nil {
		return ErrPIN
	}
	if err := CheckPIN(pin); err != nil {
		return err
	}
	_, err := r.ask(ctx, &wire.Request{Op: wire.ChangePIN, PIN: old, NewPIN: pin})
	return err
}

// Erase makes the key blank. Error: ErrWorn.
func (r *Reader) Erase(ctx context.Context) error {
	_, err := r.ask(ctx, &wire.Request{Op: wire.Erase})
	return err
}

// ask has the key in the port carry out a request.
func (r *Reader) ask(ctx context.Context, q *wire.Request) (wire.Response, error) {
	if err := r.port.enter(ctx); err != nil {
		return wire.Response{}, err
	}
	defer r.port.leave()
	inside := r.port.Inside()
	if inside == nil {
		return wire.Response{}, ErrNoKey
	}
	h, err := connect(ctx, inside)
	if err != nil {
		return wire.Response{}, err
	}
	defer h.device.Disconnect()
	r.port.tag++
	q.Tag = r.port.tag
	answer, err := h.exchange(ctx, q)
	if err != nil {
		return wire.Response{}, err
	}
	return answer, meaning(answer.Status)
}

// meanings of the statuses.
var meanings = map[wire.Status]error{
	wire.OK:        nil,
	wire.Blank:     ErrBlank,
	wire.WrongPIN:  ErrPIN,
	wire.BadPIN:    ErrPINRule,
	wire.Damaged:   ErrDamaged,
	wire.Worn:      ErrWorn,
	wire.Malformed: ErrContents,
}

func meaning(s wire.Status) error {
	err, known := meanings[s]
	if !known {
		return fmt.Errorf("%w: it answers with status %d", ErrDamaged, s)
	}
	return err
}
