package transfers

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/usbip/usb"
)

// host is a program that updates a device.
type host struct {
	bus      *bus
	tag      uint32
	session  uint32
	frames   frame.Assembler
	received []frame.Message
}

// enumerate does what the host's kernel does.
func (h *host) enumerate() error {
	h.bus.unit.port.Disconnect()
	if _, err := h.bus.unit.port.Connect(); err != nil {
		return err
	}
	status, err := h.bus.unit.run(&usb.URB{Setup: usb.Setup{Request: usb.SetConfiguration, Value: 1}})
	return errors.Join(err, status.Err())
}

// hello opens the link and a session.
func (h *host) hello() error {
	hello, err := command.Marshal(command.HelloRequest{MinVersion: 1, MaxVersion: 1, Client: "rehearsal"})
	if err != nil {
		return err
	}
	h.frames = frame.Assembler{}
	answer, err := h.exchange(frame.Message{Type: frame.TypeHello, Payload: hello})
	if err != nil {
		return err
	}
	if err := command.Status(answer.Code).Err(); err != nil {
		return err
	}
	var opened command.SessionOpenResponse
	if err := h.ask(command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: command.SlotAdmin}, &opened); err != nil {
		return err
	}
	h.session = opened.Session
	return h.bus.unit.defect.open(h)
}

// login logs the HSM SO in.
func (h *host) login() error {
	return h.ask(command.CodeLogin, h.session, &command.LoginRequest{Role: command.RoleSO, Password: []byte(password)}, nil)
}

// ask sends a command and waits for its answer.
func (h *host) ask(code command.Code, session uint32, in, out any) error {
	payload, err := command.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := h.exchange(frame.Message{Type: frame.TypeRequest, Session: session, Code: uint32(code), Payload: payload})
	if err != nil {
		return err
	}
	if status := command.Status(answer.Code); status != command.StatusOK {
		var why command.ErrorResponse
		if err := command.Unmarshal(answer.Payload, &why); err != nil {
			return fmt.Errorf("%v: %w", code, err)
		}
		return fmt.Errorf("%v: %w", code, status.With(why.Cause, why.Hint))
	}
	if out == nil {
		return nil
	}
	return command.Unmarshal(answer.Payload, out)
}

// exchange sends a message and reads until its answer is there. Answers to others,
// from before something went wrong, are of no interest.
func (h *host) exchange(request frame.Message) (frame.Message, error) {
	h.tag++
	request.Tag = h.tag
	for splitter, done := frame.NewSplitter(request), false; !done; {
		var transfer []byte
		transfer, done = splitter.AppendFrame(nil, frame.MaxTransfer)
		h.bus.whole = done
		if err := h.bus.transfer(&usb.URB{Endpoint: 0x01, Buffer: transfer, Flags: usb.ZeroPacket}); err != nil {
			return frame.Message{}, err
		}
	}
	for {
		in := newIn()
		if err := h.bus.transfer(in); err != nil {
			return frame.Message{}, err
		}
		h.received = nil
		h.frames.Feed(in.Buffer[:in.Actual], h)
		for _, answer := range h.received {
			if answer.Tag == h.tag {
				return answer, nil
			}
		}
	}
}

// newIn returns a transfer that reads what the device has to say.
func newIn() *usb.URB { return &usb.URB{Endpoint: 0x81, Buffer: make([]byte, frame.MaxTransfer)} }

// Message takes an answer.
func (h *host) Message(answer frame.Message) {
	answer.Payload = append([]byte(nil), answer.Payload...)
	h.received = append(h.received, answer)
}

// Fault takes what is left of an answer that was cut short: nothing.
func (h *host) Fault(frame.Fault) {}
