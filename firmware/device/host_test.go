package device_test

import (
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/frame"
	"usbhsm7/usbip/usb"
)

// patience bounds every wait of these tests; nothing takes nearly as long.
const patience = 2 * time.Minute

// power returns a new device on flash in memory.
func power(t *testing.T) *device.Device {
	t.Helper()
	return powerOn(t, blank(t))
}

// blank returns the flash of a device as it leaves the factory.
func blank(t *testing.T) *flash.Memory {
	t.Helper()
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func powerOn(t *testing.T, image flash.Device) *device.Device {
	t.Helper()
	d, err := device.New(device.Config{Flash: image, Serial: "7000001"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// host is the least that can talk to a device: raw transfers, no driver.
type host struct {
	t         *testing.T
	port      usb.Port
	assembler frame.Assembler
	messages  []frame.Message
	nextTag   uint32
}

// plugIn connects a host and configures the device.
func plugIn(t *testing.T, d *device.Device) *host {
	t.Helper()
	h := &host{t: t, port: d.USB(), nextTag: 100}
	if _, err := h.port.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.port.Disconnect)
	setup := usb.Setup{Request: usb.SetConfiguration, Value: 1}
	if u := h.run(&usb.URB{Setup: setup}); u.Status != usb.OK {
		t.Fatalf("SET_CONFIGURATION: %v", u.Status)
	}
	return h
}

// hello plugs a host in and opens the link.
func hello(t *testing.T, d *device.Device) *host {
	t.Helper()
	h := plugIn(t, d)
	answer := h.hello()
	if answer.Code != 0 {
		t.Fatalf("HELLO: %v", command.Status(answer.Code))
	}
	return h
}

func (h *host) hello() frame.Message {
	h.t.Helper()
	payload, err := command.Marshal(command.HelloRequest{MinVersion: 1, MaxVersion: 1, Client: "test"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.send(frames(frame.Message{Type: frame.TypeHello, Tag: 1, Payload: payload}))
	for {
		if m := h.receive(); m.Type == frame.TypeHello && m.Tag == 1 {
			return m
		}
	}
}

// run submits u and waits for its end.
func (h *host) run(u *usb.URB) *usb.URB {
	h.t.Helper()
	done := make(chan *usb.URB, 1)
	u.Done = func(u *usb.URB) { done <- u }
	h.port.Submit(u)
	select {
	case <-done:
	case <-time.After(patience):
		h.port.Cancel(u)
		h.t.Fatalf("endpoint %#02x: nothing happened in %v", u.Endpoint, patience)
	}
	return u
}

// send sends one transfer.
func (h *host) send(transfer []byte) {
	h.t.Helper()
	if u := h.run(&usb.URB{Endpoint: 0x01, Buffer: transfer, Flags: usb.ZeroPacket}); u.Status != usb.OK {
		h.t.Fatalf("bulk OUT: %v", u.Status)
	}
}

// receive returns the next message from the IN endpoint.
func (h *host) receive() frame.Message {
	h.t.Helper()
	for len(h.messages) == 0 {
		u := h.run(&usb.URB{Endpoint: 0x81, Buffer: make([]byte, 65536)})
		if u.Status != usb.OK {
			h.t.Fatalf("bulk IN: %v", u.Status)
		}
		h.assembler.Feed(u.Buffer[:u.Actual], h)
	}
	m := h.messages[0]
	h.messages = h.messages[1:]
	return m
}

func (h *host) Message(m frame.Message) { h.messages = append(h.messages, m) }
func (h *host) Fault(f frame.Fault)     { h.t.Errorf("the device sent a bad frame: %+v", f) }

// request frames a command with a new tag.
func (h *host) request(code command.Code, session uint32, req any) (tag uint32, transfer []byte) {
	h.t.Helper()
	payload, err := command.Marshal(req)
	if err != nil {
		h.t.Fatal(err)
	}
	h.nextTag++
	return h.nextTag, frames(frame.Message{Type: frame.TypeRequest, Tag: h.nextTag, Session: session, Code: uint32(code), Payload: payload})
}

// call runs a command and decodes its answer into response.
func (h *host) call(code command.Code, session uint32, req, response any) command.Status {
	h.t.Helper()
	tag, transfer := h.request(code, session, req)
	h.send(transfer)
	m := h.receive()
	if m.Type != frame.TypeResponse || m.Tag != tag {
		h.t.Fatalf("%v: answer %v with tag %d", code, m.Type, m.Tag)
	}
	if m.Code == 0 && response != nil {
		if err := command.Unmarshal(m.Payload, response); err != nil {
			h.t.Fatal(err)
		}
	}
	return command.Status(m.Code)
}

// must is call for commands that succeed.
func (h *host) must(code command.Code, session uint32, req, response any) {
	h.t.Helper()
	if status := h.call(code, session, req, response); status != command.StatusOK {
		h.t.Fatalf("%v: %v", code, status)
	}
}

// alive fails the test unless the device still answers.
func (h *host) alive() {
	h.t.Helper()
	var info command.InfoResponse
	h.must(command.CodeInfo, 0, nil, &info)
	if info.Serial != "7000001" {
		h.t.Errorf("serial number %q", info.Serial)
	}
}

// event returns the next event.
func (h *host) event() command.Event {
	h.t.Helper()
	u := h.run(&usb.URB{Endpoint: 0x82, Buffer: make([]byte, 512)})
	var got command.Event
	var assembler frame.Assembler
	assembler.Feed(u.Buffer[:u.Actual], sinkFunc(func(m frame.Message) {
		if err := command.Unmarshal(m.Payload, &got); err != nil {
			h.t.Error(err)
		}
		got.Code = command.EventCode(m.Code)
	}))
	return got
}

type sinkFunc func(frame.Message)

func (f sinkFunc) Message(m frame.Message) { f(m) }
func (sinkFunc) Fault(frame.Fault)         {}

// frames returns m in as few frames as it takes, for one or more transfers.
func frames(m frame.Message) []byte {
	var out []byte
	for s := frame.NewSplitter(m); ; {
		extended, done := s.AppendFrame(out, frame.MaxTransfer)
		if out = extended; done {
			return out
		}
	}
}
