package server_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// edges are the values that each field of a message is given.
var edges = []uint32{
	0, 1, 2, 3, 15, 16, 0xff, 0x100, proto.MaxIsoPackets, proto.MaxIsoPackets + 1, devID,
	proto.MaxTransfer, proto.MaxTransfer + 1, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 2, 1<<32 - 1,
}

// submitFields are the words of a SUBMIT, with what the server puts up with.
var submitFields = []struct {
	name string
	at   int
	ok   func(v uint32) bool
}{
	{"command", 0, func(v uint32) bool { return v == 1 }},
	{"number", 4, anything},
	{"device", 8, func(v uint32) bool { return v == devID }},
	{"direction", 12, func(v uint32) bool { return v <= 1 }},
	{"endpoint", 16, anything},
	{"flags", 20, anything},
	{"length", 24, func(v uint32) bool { return v <= proto.MaxTransfer }},
	{"start frame", 28, anything},
	{"packets", 32, func(v uint32) bool { return v <= proto.MaxIsoPackets || v == 1<<32-1 }},
	{"interval", 36, anything},
	{"setup, first half", 40, anything},
	{"setup, second half", 44, anything},
}

func anything(uint32) bool { return true }

// TestEveryFieldOfASubmitAtItsEdges sends SUBMITs of which one field has every
// value at an edge, and what has to follow such a header. Either the URB gets an
// answer and the stream stays in step, or the connection ends, the device is free
// and the log says whose fault it was.
func TestEveryFieldOfASubmitAtItsEdges(t *testing.T) {
	kinds := map[string]proto.Submit{
		"control":  {Seq: 7, DevID: devID, Length: 4, Setup: usb.Setup{RequestType: usb.TypeVendor, Length: 4}},
		"bulk OUT": {Seq: 7, DevID: devID, Endpoint: 1, Length: 4},
		"bulk IN":  {Seq: 7, DevID: devID, Endpoint: 1, Length: 4, In: true},
	}
	for kind, s := range kinds {
		for _, field := range submitFields {
			t.Run(kind+"/"+field.name, func(t *testing.T) {
				for _, v := range edges {
					if field.at == 0 && v == 2 {
						continue // an UNLINK
					}
					message := s.Append(nil)
					binary.BigEndian.PutUint32(message[field.at:], v)
					tryMessage(t, fmt.Sprintf("%s %#x", field.name, v), withPayload(message), field.ok(v))
				}
			})
		}
	}
}

func TestEveryFieldOfAnUnlinkAtItsEdges(t *testing.T) {
	for at := 4; at < proto.HeaderSize; at += 4 {
		for _, v := range edges {
			message := unlink(7, 8)
			binary.BigEndian.PutUint32(message[at:], v)
			tryMessage(t, fmt.Sprintf("word %d %#x", at/4, v), message, at != 8 || v == devID)
		}
	}
}

// withPayload appends what a server has to expect behind a SUBMIT's header.
func withPayload(message []byte) []byte {
	s, err := proto.ParseSubmit((*proto.Header)(message))
	if err != nil {
		return message
	}
	return append(message, make([]byte, s.Payload())...) // packets of no length
}

// tryMessage sends a message in a session of its own.
func tryMessage(t *testing.T, name string, message []byte, ok bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		options := server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
		d := usbtest.NewDevice(t)
		usbtest.Run(t, sink(d))
		r := servePipes(t, options, d).dial(t)
		r.importDevice()
		r.configure()
		if err := exchangeMessage(r, message); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		r.Close()
		synctest.Wait()
		if _, err := d.Connect(); err != nil {
			t.Errorf("%s: the device is not free: %v", name, err)
		}
		if line := log.String(); !ok && !(strings.Contains(line, "level=WARN") && strings.Contains(line, "host=pipe busid="+busID)) {
			t.Errorf("%s: the log does not say who and why: %s", name, line)
		}
	})
}

// exchangeMessage sends a message, takes it back in case it stays pending, and
// shows that everything is answered, the last request last.
func exchangeMessage(r *raw, message []byte) error {
	last := submit(0xa11e, usb.DirIn, usb.Setup{RequestType: usb.DirIn, Request: usb.GetConfiguration, Length: 1}, 1)
	judge := oracle.NewJudge()
	var stream []byte
	for _, m := range [][]byte{message, unlink(0xbeef, binary.BigEndian.Uint32(message[4:])), last} {
		judge.Request(m)
		stream = append(stream, m...)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = r.Write(stream)
	}()
	defer func() { <-sent }()
	buffer := make([]byte, 1<<20)
	for !judge.Answered() {
		n, err := r.Read(buffer)
		if _, fault := judge.Replies(buffer[:n]); fault != nil {
			return fault
		}
		if err != nil {
			r.Close()
			return err
		}
	}
	if breaches := judge.Breaches(); len(breaches) > 0 {
		return breaches[0]
	}
	return nil
}

// TestEveryFieldOfAHandshakeAtItsEdges has no value that hurts.
func TestEveryFieldOfAHandshakeAtItsEdges(t *testing.T) {
	var messages [][]byte
	for _, request := range [][]byte{proto.AppendImport(nil, busID), proto.Op{Code: proto.OpRequestDevices}.Append(nil)} {
		for at := 0; at < len(request); at += 2 {
			for _, v := range []uint16{0, 1, 0x0110, 0x0112, 0x7fff, 0x8000, 0x8002, 0x8003, 0x8005, 0x8007, 0xffff} {
				message := bytes.Clone(request)
				binary.BigEndian.PutUint16(message[at:], v)
				messages = append(messages, message)
			}
		}
	}
	d := usbtest.NewDevice(t)
	for _, message := range messages {
		synctest.Test(t, func(t *testing.T) {
			r := servePipes(t, server.Options{}, d).dial(t)
			go func() { _, _ = r.Write(message) }()
			answer := make([]byte, 1024)
			n, err := io.ReadAtLeast(r, answer, proto.OpSize)
			if n >= proto.OpSize && answer[0] != 1 {
				t.Errorf("% x: answered % x", message, answer[:n])
			}
			if n > 0 && err != nil {
				t.Errorf("% x: half an answer: %v", message, err)
			}
			r.Close()
		})
	}
	if _, err := d.Connect(); err != nil {
		t.Errorf("the device is not free: %v", err)
	}
}
