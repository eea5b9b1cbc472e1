package server_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// Each benchmark moves the same bytes three ways: "usbip" between client and
// server of this project, "server" between the server and a host that does
// nothing but send prepared requests and count the bytes of the answers, and
// "pingpong" between two loops that know nothing of USB.

func BenchmarkControl(b *testing.B) {
	setup := usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8, Length: 18}
	compare(b, load{endpoint: usb.DirIn, setup: setup, size: 18}, 1, 32)
}

func BenchmarkBulkIn(b *testing.B) { compare(b, load{endpoint: usbtest.BulkIn, size: 16 << 10}, 1, 16) }

func BenchmarkBulkOut(b *testing.B) {
	compare(b, load{endpoint: usbtest.BulkOut, size: 16 << 10}, 1, 16)
}

// load is one URB that a benchmark repeats.
type load struct {
	endpoint uint8
	setup    usb.Setup
	size     int
}

func (l load) request() []byte {
	r := submit(1, l.endpoint, l.setup, int32(l.size))
	if l.endpoint&usb.DirIn == 0 {
		r = append(r, make([]byte, l.size)...)
	}
	return r
}

func (l load) replySize() int {
	if l.endpoint&usb.DirIn != 0 {
		return proto.HeaderSize + l.size
	}
	return proto.HeaderSize
}

func compare(b *testing.B, l load, depths ...int) {
	for _, depth := range depths {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			b.Run("usbip", func(b *testing.B) { benchClient(b, l, depth) })
			b.Run("server", func(b *testing.B) { benchServer(b, l, depth) })
			b.Run("pingpong", func(b *testing.B) { benchPingPong(b, l, depth) })
		})
	}
}

// benchDevice serves a device whose function always has data and always takes
// some.
func benchDevice(b *testing.B) string {
	d := usbtest.NewDevice(b)
	addr, _ := serve(b, server.Options{}, d)
	usbtest.Run(b, source(d))
	usbtest.Run(b, sink(d))
	return addr
}

func benchClient(b *testing.B, l load, depth int) {
	addr := benchDevice(b)
	h := attach(b, addr)
	free := make(chan *usb.URB, depth)
	for range depth {
		free <- &usb.URB{
			Endpoint: l.endpoint, Setup: l.setup, Buffer: make([]byte, l.size),
			Done: func(u *usb.URB) { free <- u },
		}
	}
	b.SetBytes(int64(l.size))
	b.ReportAllocs()
	for b.Loop() {
		h.Submit(<-free)
	}
	for range depth {
		if u := <-free; u.Status != usb.OK {
			b.Fatal(u.Status)
		}
	}
}

func benchServer(b *testing.B, l load, depth int) {
	addr := benchDevice(b)
	exchange(b, importRaw(b, addr), l, depth)
}

func benchPingPong(b *testing.B, l load, depth int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	usbtest.Run(b, func(context.Context) {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		request, reply := make([]byte, len(l.request())), make([]byte, l.replySize())
		for {
			if _, err := io.ReadFull(conn, request); err != nil {
				return
			}
			binary.BigEndian.PutUint32(reply[24:], uint32(l.size))
			if _, err := conn.Write(reply); err != nil {
				return
			}
		}
	})
	b.Cleanup(func() { listener.Close() })
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	exchange(b, conn, l, depth)
}

// exchange keeps depth requests under way. The sequence numbers repeat at
// distances that a server allows.
func exchange(b *testing.B, conn net.Conn, l load, depth int) {
	requests := make([][]byte, depth)
	for i := range requests {
		requests[i] = l.request()
		requests[i][7] = uint8(i)
	}
	reply := make([]byte, l.replySize())
	b.SetBytes(int64(l.size))
	b.ReportAllocs()
	i := 0
	send := func() {
		if _, err := conn.Write(requests[i%depth]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	receive := func() {
		if _, err := io.ReadFull(conn, reply[:proto.HeaderSize]); err != nil {
			b.Fatal(err)
		}
		if l.endpoint&usb.DirIn == 0 {
			return
		}
		actual := binary.BigEndian.Uint32(reply[24:])
		if _, err := io.ReadFull(conn, reply[proto.HeaderSize:][:actual]); err != nil {
			b.Fatal(err)
		}
	}
	for range depth - 1 {
		send()
	}
	for b.Loop() {
		send()
		receive()
	}
	for range depth - 1 {
		receive()
	}
}
