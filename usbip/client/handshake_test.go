package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
)

// answer serves one connection: it reads a request of n bytes and sends reply.
func answer(t *testing.T, n int, reply []byte) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := io.ReadFull(conn, make([]byte, n)); err != nil {
			t.Error(err)
		}
		if _, err := conn.Write(reply); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

func refusal(status proto.OpStatus) []byte {
	return proto.Op{Code: proto.OpReplyImport, Status: status}.Append(nil)
}

func TestImportErrors(t *testing.T) {
	success := proto.Op{Code: proto.OpReplyImport}.Append(nil)
	other := remote
	other.BusID = "1-2"
	tests := map[string]struct {
		reply []byte
		want  error
	}{
		"busy":              {refusal(proto.OpBusy), client.ErrBusy},
		"unknown":           {refusal(proto.OpNoDevice), client.ErrNoDevice},
		"in an error state": {refusal(proto.OpDeviceError), proto.OpDeviceError},
		"for other reasons": {refusal(proto.OpNotAllowed), client.ErrRefused},
		"another version":   {[]byte("\x01\x06\x00\x03\x00\x00\x00\x00"), proto.ErrVersion},
		"another reply":     {proto.Op{Code: proto.OpReplyDevices}.Append(nil), proto.ErrMalformed},
		"another device":    {other.Append(success), proto.ErrMalformed},
		"no reply":          {nil, io.ErrUnexpectedEOF},
		"half a reply":      {remote.Append(success)[:100], io.ErrUnexpectedEOF},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			addr := answer(t, proto.OpSize+proto.BusIDSize, test.reply)
			d, err := client.Import(t.Context(), addr, busID)
			if d != nil || !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if !strings.Contains(err.Error(), busID) {
				t.Errorf("%q does not name the device", err)
			}
		})
	}
}

func TestImportOfAnImpossibleBusID(t *testing.T) {
	for _, id := range []string{"", strings.Repeat("x", 32)} {
		near, far := net.Pipe()
		if _, err := client.ImportConn(t.Context(), near, id); !errors.Is(err, client.ErrNoDevice) {
			t.Errorf("%q: %v, want %v", id, err, client.ErrNoDevice)
		}
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%q: the connection is open: %v", id, err)
		}
	}
}

func TestListErrors(t *testing.T) {
	for name, test := range map[string]struct {
		reply []byte
		want  error
	}{
		"refused":      {proto.Op{Code: proto.OpReplyDevices, Status: proto.OpNotAllowed}.Append(nil), proto.OpNotAllowed},
		"endless":      {append(proto.Op{Code: proto.OpReplyDevices}.Append(nil), 0xff, 0, 0, 0), proto.ErrMalformed},
		"breaking off": {proto.AppendDevices(nil, []proto.Device{remote})[:100], io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := client.List(t.Context(), answer(t, proto.OpSize, test.reply))
			if list != nil || !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

func TestHandshakeEndsWithItsContext(t *testing.T) {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := client.ImportConn(ctx, near, busID)
		result <- err
	}()
	if _, err := io.ReadFull(far, make([]byte, proto.OpSize+proto.BusIDSize)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection is open: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	_, err = client.List(t.Context(), addr)
	var refused *net.OpError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), addr) {
		t.Errorf("%v, want a connection error that names %s", err, addr)
	}
	if _, err := client.Import(t.Context(), addr, busID); !errors.As(err, &refused) {
		t.Errorf("%v, want a connection error", err)
	}
}
