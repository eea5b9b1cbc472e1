package hostdrv

import (
	"context"
	"errors"
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
)

// readResponses brings responses to their requests until the link ends, and
// returns why it did.
func (c *conn) readResponses(ctx context.Context) error {
	var assembler frame.Assembler
	in := &responses{traffic: c.traffic}
	buffer := make([]byte, readBuffer)
	for {
		n, err := c.link.Read(ctx, buffer)
		if err != nil {
			return err
		}
		assembler.Feed(buffer[:n], in)
		clear(buffer[:n]) // it may have held plaintext
		if in.err != nil {
			return in.err
		}
	}
}

// responses is the sink of the bulk IN endpoint.
type responses struct {
	traffic *traffic
	err     error // the device broke the protocol
}

// Message implements frame.Sink.
func (in *responses) Message(m frame.Message) {
	switch {
	case m.Type == frame.TypeResponse && command.Status(m.Code) == command.StatusNoTransmission:
		in.err = errForgotten
	case m.Type == frame.TypeResponse && m.Tag != 0:
		in.traffic.answer(m)
	case m.Type == frame.TypeResponse:
		// Some request was damaged on its way and nobody knows which.
		in.err = fmt.Errorf("%w: it could not read a transfer: %v", ErrProtocol, refusal(command.Status(m.Code), m.Payload))
	default:
		in.err = fmt.Errorf("%w: %s among the responses", ErrProtocol, m.Type)
	}
}

// Fault implements frame.Sink. A response may be lost, so waiting is in vain.
func (in *responses) Fault(f frame.Fault) {
	in.err = fmt.Errorf("%w: %s", ErrProtocol, f.Cause)
}

// readEvents queues events until the link ends, and returns why it did. While
// the queue is full it does not read, so that events wait in the device. A halt
// of the endpoint may have cost some.
func (c *conn) readEvents(ctx context.Context) error {
	buffer := make([]byte, readBuffer)
	for {
		n, err := c.link.ReadEvent(ctx, buffer)
		if errors.Is(err, transport.ErrHalted) {
			n, err = 0, nil // no frame, so events were dropped
		}
		if err != nil {
			return err
		}
		select {
		case c.events <- parseEvent(buffer[:n]):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// parseEvent decodes one event frame. One that cannot be read counts as
// dropped, which is what it comes to for the listener.
func parseEvent(transfer []byte) command.Event {
	dropped := command.Event{Code: command.EventEventsDropped}
	h, err := frame.ParseHeader(transfer)
	if err != nil || h.Version != frame.Version || h.Type != frame.TypeEvent || int(h.Length) != len(transfer)-frame.HeaderSize {
		return dropped
	}
	var e command.Event
	if err := command.Unmarshal(transfer[frame.HeaderSize:], &e); err != nil {
		return dropped
	}
	e.Code = command.EventCode(h.Code)
	return e
}
