package transporttest

import (
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
)

// readBuffer is longer than any transfer of the protocol.
const readBuffer = 65536

// talk speaks the protocol on a link, one frame at a time. It implements
// frame.Sink.
type talk struct {
	t         *testing.T
	link      transport.Link
	assembler frame.Assembler
	heard     []frame.Message
	lastTag   uint32
}

// begin says HELLO on link. It reads while it writes, because a device with
// old responses to deliver may not listen before they are read.
func begin(t *testing.T, link transport.Link) *talk {
	t.Helper()
	const tag = 0x1000
	c := &talk{t: t, link: link, lastTag: tag}
	hello := frameOf(frame.TypeHello, tag, 0, 0, &command.HelloRequest{MinVersion: 1, MaxVersion: 1, Client: "transporttest"})
	written := make(chan error, 1)
	go func() { written <- link.Write(deadline(t), hello) }()
	m := c.next()
	for m.Type != frame.TypeHello || m.Tag != tag {
		m = c.next()
	}
	if err := <-written; err != nil || m.Code != 0 {
		t.Fatalf("HELLO: %v, answered with %v", err, command.Status(m.Code))
	}
	c.heard = nil
	return c
}

// frameOf returns one whole frame with payload in CBOR.
func frameOf(kind frame.Type, tag, session, code uint32, payload any) []byte {
	encoded, err := command.Marshal(payload)
	if err != nil {
		panic("transporttest: " + err.Error()) // only structs of package command come here
	}
	m := frame.Message{Type: kind, Tag: tag, Session: session, Code: code, Payload: encoded}
	out, _ := frame.NewSplitter(m).AppendFrame(nil, frame.MaxTransfer)
	return out
}

// request returns a request frame with a new tag.
func (c *talk) request(code command.Code, session uint32, payload any) []byte {
	c.lastTag++
	return frameOf(frame.TypeRequest, c.lastTag, session, uint32(code), payload)
}

// echo returns a frame of exactly size bytes, at least 300, that asks for an
// echo. The response has the same size.
func (c *talk) echo(size int) []byte {
	c.t.Helper()
	const around = frame.HeaderSize + 5 // header, and CBOR around 256 to 65,535 bytes
	data := make([]byte, size-around)
	for i := range data {
		data[i] = byte(i * 7)
	}
	f := c.request(command.CodeEcho, 0, &command.Echo{Data: data})
	if len(f) != size {
		c.t.Fatalf("an echo frame of %d bytes came out with %d", size, len(f))
	}
	return f
}

// write sends one transfer.
func (c *talk) write(transfer []byte) {
	c.t.Helper()
	if err := c.link.Write(deadline(c.t), transfer); err != nil {
		c.t.Fatalf("write %d bytes: %v", len(transfer), err)
	}
}

// read receives one transfer.
func (c *talk) read() []byte {
	c.t.Helper()
	buffer := make([]byte, readBuffer)
	n, err := c.link.Read(deadline(c.t), buffer)
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return buffer[:n]
}

// next returns the next message of the device.
func (c *talk) next() frame.Message {
	c.t.Helper()
	for len(c.heard) == 0 {
		c.assembler.Feed(c.read(), c)
	}
	m := c.heard[0]
	c.heard = c.heard[1:]
	return m
}

// ask sends a request and returns the response, which must have status.
func (c *talk) ask(code command.Code, session uint32, payload, response any, status command.Status) {
	c.t.Helper()
	c.write(c.request(code, session, payload))
	m := c.next()
	if m.Tag != c.lastTag || command.Status(m.Code) != status {
		c.t.Fatalf("%s: response to tag %d with %v, want tag %d with %v", code, m.Tag, command.Status(m.Code), c.lastTag, status)
	}
	if response == nil {
		return
	}
	if err := command.Unmarshal(m.Payload, response); err != nil {
		c.t.Fatalf("%s: %v", code, err)
	}
}

// alive shows that the device still answers.
func (c *talk) alive() {
	c.t.Helper()
	c.ask(command.CodeEcho, 0, &command.Echo{Data: []byte("alive")}, nil, command.StatusOK)
}

// Message implements frame.Sink.
func (c *talk) Message(m frame.Message) {
	m.Payload = append([]byte(nil), m.Payload...)
	c.heard = append(c.heard, m)
}

// Fault implements frame.Sink. Before the answer to HELLO there may be remains.
func (c *talk) Fault(f frame.Fault) { c.t.Logf("skipped: %s", f.Cause) }
