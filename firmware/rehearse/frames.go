package rehearse

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/frame"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/usbip/usb"
)

// deviceMachine is a host that sends one command at a time to an assembled
// device, with no driver in between.
type deviceMachine struct {
	device   *device.Device
	port     usb.Port
	people   *peopletest.People
	tag      uint32
	frames   frame.Assembler
	received []frame.Message
	fault    error
}

// open configures the device and says HELLO.
func (m *deviceMachine) open() error {
	if _, err := m.port.Connect(); err != nil {
		return err
	}
	if status := m.run(&usb.URB{Setup: usb.Setup{Request: usb.SetConfiguration, Value: 1}}); status != usb.OK {
		return fmt.Errorf("SET_CONFIGURATION: %v", status)
	}
	hello, err := command.Marshal(command.HelloRequest{MinVersion: 1, MaxVersion: 1})
	if err != nil {
		return err
	}
	answer, err := m.exchange(frame.Message{Type: frame.TypeHello, Payload: hello})
	if err == nil && answer.Code != 0 {
		err = command.Status(answer.Code).Err()
	}
	return err
}

func (m *deviceMachine) execute(code command.Code, session uint32, payload []byte) (command.Status, []byte, error) {
	answer, err := m.exchange(frame.Message{Type: frame.TypeRequest, Session: session, Code: uint32(code), Payload: payload})
	return command.Status(answer.Code), answer.Payload, err
}

// exchange sends a message and waits for its answer.
func (m *deviceMachine) exchange(request frame.Message) (frame.Message, error) {
	m.tag++
	request.Tag = m.tag
	for splitter, done := frame.NewSplitter(request), false; !done; {
		var transfer []byte
		transfer, done = splitter.AppendFrame(nil, frame.MaxTransfer)
		if status := m.run(&usb.URB{Endpoint: 0x01, Buffer: transfer, Flags: usb.ZeroPacket}); status != usb.OK {
			return frame.Message{}, fmt.Errorf("bulk OUT: %v", status)
		}
	}
	for m.received = nil; len(m.received) == 0 && m.fault == nil; {
		in := &usb.URB{Endpoint: 0x81, Buffer: make([]byte, frame.MaxTransfer)}
		if status := m.run(in); status != usb.OK {
			return frame.Message{}, fmt.Errorf("bulk IN: %v", status)
		}
		m.frames.Feed(in.Buffer[:in.Actual], m)
	}
	if m.fault != nil {
		return frame.Message{}, m.fault
	}
	if answer := m.received[0]; answer.Tag == m.tag {
		return answer, nil
	}
	return frame.Message{}, errors.New("the answer to another request")
}

// Message takes an answer.
func (m *deviceMachine) Message(answer frame.Message) { m.received = append(m.received, answer) }

// Fault takes a bad frame.
func (m *deviceMachine) Fault(f frame.Fault) { m.fault = errors.New("bad frame: " + f.Cause) }

// run submits u and waits for its end.
func (m *deviceMachine) run(u *usb.URB) usb.Status {
	done := make(chan struct{})
	u.Done = func(*usb.URB) { close(done) }
	m.port.Submit(u)
	<-done
	return u.Status
}

func (m *deviceMachine) crew() *peopletest.People { return m.people }

func (m *deviceMachine) tamper(cause command.TamperCause) error { return m.device.Tamper(cause) }

func (m *deviceMachine) off() error {
	m.port.Disconnect()
	return m.device.Close()
}
