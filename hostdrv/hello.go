package hostdrv

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
)

// protocolVersion is the one version of the protocol that this driver speaks.
const protocolVersion = frame.Version

// helloAttempts is how many HELLOs are sent before a device is given up.
const helloAttempts = 3

// maxOverruns is how many transfers that are too long may come before the answer
// to a HELLO. The remains of the longest message in one transfer are some 260; a
// device that never sends anything else would keep us busy until the context ends.
const maxOverruns = 1000

// readBuffer holds the longest transfer, with room to notice a longer one.
const readBuffer = frame.MaxTransfer + 512

// leastTransfer is what every device takes in a transfer, bytes: one packet at high
// speed, and the least for which a Splitter cuts a message.
const leastTransfer = 512

// hello opens the link. Whatever comes before the answer is the remains of an
// earlier conversation and is dropped.
func hello(ctx context.Context, link transport.Link, options Options) (command.HelloResponse, error) {
	h := &handshake{link: link, buffer: make([]byte, readBuffer)}
	for range helloAttempts {
		attempt, cancel := context.WithTimeout(ctx, options.HelloTimeout)
		answer, err := h.attempt(attempt, options.Client)
		timedOut := attempt.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded)
		cancel()
		if !timedOut && !errors.Is(err, transport.ErrHalted) {
			return answer, err
		}
	}
	return command.HelloResponse{}, fmt.Errorf("%w after %d attempts; unplug it and plug it in again, or restart the simulator", ErrNoAnswer, helloAttempts)
}

// handshake waits for the answer to a HELLO. It implements frame.Sink.
type handshake struct {
	link      transport.Link
	buffer    []byte
	assembler frame.Assembler // survives an attempt: the answer to an earlier one may be half read

	tag      uint32 // of the HELLO whose answer is awaited
	answered bool
	response command.HelloResponse
	err      error
}

// attempt sends one HELLO and waits for its answer. It reads while it writes:
// a device that still has old responses to deliver may not listen before they
// are read.
func (h *handshake) attempt(ctx context.Context, client string) (command.HelloResponse, error) {
	h.tag, h.answered, h.err = randomTag(), false, nil
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	written := make(chan struct{})
	go func() {
		defer close(written)
		if err := h.link.Write(ctx, helloFrame(h.tag, client)); err != nil {
			stop(err)
		}
	}()
	err := h.read(ctx)
	if err != nil {
		stop(err)
	}
	<-written
	if err != nil {
		// The first cause is the better one: why HELLO could not be sent.
		return command.HelloResponse{}, fmt.Errorf("open the link: %w", h.explain(context.Cause(ctx)))
	}
	return h.response, nil
}

// explain makes sure that a link that failed is recognised as one.
func (h *handshake) explain(err error) error {
	known := []error{context.Canceled, context.DeadlineExceeded, transport.ErrDisconnected, transport.ErrClosed, transport.ErrHalted}
	if h.err != nil || slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }) {
		return err
	}
	return fmt.Errorf("%w: %w; unplug it and plug it in again, or restart the simulator", transport.ErrDisconnected, err)
}

// read feeds transfers to the handshake until it is answered.
func (h *handshake) read(ctx context.Context) error {
	for overruns := 0; !h.answered; {
		n, err := h.link.Read(ctx, h.buffer)
		if errors.Is(err, transport.ErrOverrun) && overruns < maxOverruns {
			overruns++
			continue // remains too
		}
		if err != nil {
			return err
		}
		h.assembler.Feed(h.buffer[:n], h)
		clear(h.buffer[:n])
	}
	return h.err
}

// Message implements frame.Sink.
func (h *handshake) Message(m frame.Message) {
	if m.Type != frame.TypeHello || m.Tag != h.tag {
		return
	}
	h.answered = true
	if status := command.Status(m.Code); status != command.StatusOK {
		h.err = refusal(status, m.Payload)
		return
	}
	h.response = command.HelloResponse{}
	if err := command.Unmarshal(m.Payload, &h.response); err != nil {
		h.err = fmt.Errorf("%w: answer to HELLO: %v", ErrProtocol, err)
		return
	}
	h.err = agree(&h.response)
}

// Fault implements frame.Sink: remains are not a fault.
func (h *handshake) Fault(frame.Fault) {}

// agree checks what the device announced and lowers it to what this driver does.
func agree(r *command.HelloResponse) error {
	if r.Version != protocolVersion || r.MaxTransfer < leastTransfer || r.MaxInFlight == 0 || r.MaxMessage == 0 {
		return fmt.Errorf("%w: answer to HELLO makes no sense (version %d, %d bytes in a transfer, %d in a message, %d requests)",
			ErrProtocol, r.Version, r.MaxTransfer, r.MaxMessage, r.MaxInFlight)
	}
	r.MaxTransfer = min(r.MaxTransfer, frame.MaxTransfer)
	r.MaxMessage = min(r.MaxMessage, frame.MaxMessage)
	r.MaxInFlight = min(r.MaxInFlight, frame.MaxInFlight)
	return nil
}

// helloFrame returns a transfer that holds one HELLO.
func helloFrame(tag uint32, client string) []byte {
	payload, _ := command.Marshal(&command.HelloRequest{ // a fixed struct: cannot fail
		MinVersion: protocolVersion, MaxVersion: protocolVersion, Client: client,
	})
	m := frame.Message{Type: frame.TypeHello, Tag: tag, Payload: payload}
	transfer, _ := frame.NewSplitter(m).AppendFrame(nil, frame.MaxTransfer)
	return transfer
}

// farewell says HELLO without waiting for the answer. The device then closes
// this host's sessions and logs its roles out, which no transport does by
// itself when a program lets go of a physical device.
func farewell(link transport.Link) {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTimeout)
	defer cancel()
	_ = link.Write(ctx, helloFrame(randomTag(), "")) // it may just have left
}
