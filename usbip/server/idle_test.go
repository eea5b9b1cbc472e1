package server_test

import (
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// memory returns the bytes of heap and stacks in use.
func memory() int {
	runtime.GC()
	runtime.GC() // what the first only found
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// TestManyIdleDevicesTakeLittleMemory attaches as many devices as connections are
// allowed, each with a parked URB, and then asks for the list.
func TestManyIdleDevicesTakeLittleMemory(t *testing.T) {
	const devices = 256
	listener := newPipes()
	s := serveOn(t, listener, server.Options{}, usbtest.NewDevice(t))
	ports := make([]*scripted, devices)
	for i := range ports {
		ports[i] = newScripted()
		if err := s.Export(fmt.Sprintf("2-%d", i), ports[i]); err != nil {
			t.Fatal(err)
		}
	}
	before := memory()
	for i, port := range ports {
		r := listener.dial(t)
		t.Cleanup(func() { r.Close() })
		device := r.importAs(fmt.Sprintf("2-%d", i))
		parked := proto.Submit{Seq: 1, DevID: device.DevID(), In: true, Endpoint: 1, Length: 64}
		r.send(parked.Append(nil))
		<-port.submitted
	}
	each := (memory() - before) / devices
	t.Logf("%d bytes for each device", each)
	if each > 128<<10 {
		t.Errorf("%d bytes for each idle device, want at most 128 KiB", each)
	}
	r := listener.dial(t)
	defer r.Close()
	r.send(proto.Op{Code: proto.OpRequestDevices}.Append(nil))
	if op := r.op(); op.Code != proto.OpReplyDevices {
		t.Errorf("the list beside %d devices in use: %+v", devices, op)
	}
	if free, err := proto.ReadDevices(r); err != nil || len(free) != 1 {
		t.Errorf("%d free devices, %v; want 1", len(free), err)
	}
}

func TestSessionAtRestFreesTheMemoryOfBusyTimes(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		const urbs, size = 8, 1 << 20
		before := memory()
		for seq := range uint32(urbs) {
			r.send(submit(seq, usbtest.BulkIn, usb.Setup{}, size))
		}
		synctest.Wait()
		for range urbs {
			port.complete(<-port.submitted, size, usb.OK)
		}
		data := make([]byte, size)
		for seq := range uint32(urbs) {
			r.wantResult(seq, usb.OK, data)
		}
		synctest.Wait()
		busy := memory() - before
		time.Sleep(time.Minute)
		synctest.Wait()
		if rest := memory() - before - size; busy < urbs*size || rest > size/4 {
			t.Errorf("%d KiB while busy, %d KiB at rest; want more than %d, and next to nothing", busy>>10, rest>>10, urbs*size>>10)
		}
		runtime.KeepAlive(data)
		r.wantEcho(port, 100)
	})
}

// counted is a connection that counts its uses.
type counted struct {
	net.Conn
	uses *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	c.uses.Add(1)
	defer c.uses.Add(1)
	return c.Conn.Read(p)
}

func (c counted) Write(p []byte) (int, error) {
	c.uses.Add(1)
	return c.Conn.Write(p)
}

func (c counted) SetDeadline(t time.Time) error {
	c.uses.Add(1)
	return c.Conn.SetDeadline(t)
}

func (c counted) SetReadDeadline(t time.Time) error {
	c.uses.Add(1)
	return c.Conn.SetReadDeadline(t)
}

func (c counted) SetWriteDeadline(t time.Time) error {
	c.uses.Add(1)
	return c.Conn.SetWriteDeadline(t)
}

// TestIdleDeviceIsLeftAlone counts what server and client do with their
// connection on a day on which nothing happens to a parked URB.
func TestIdleDeviceIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port, listener := newScripted(), newPipes()
		serveOn(t, listener, server.Options{}, port)
		var uses atomic.Int64
		near, far := net.Pipe()
		listener.conns <- counted{far, &uses}
		device, err := client.ImportConn(t.Context(), counted{near, &uses}, busID)
		if err != nil {
			t.Fatal(err)
		}
		defer device.Close()
		h := &host{device, t}
		go func() {
			u := <-port.submitted
			port.complete(u, len(u.Buffer), usb.OK)
		}()
		h.do(&usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 1<<20)})
		_, ended := h.start(&usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 64)})
		synctest.Wait()
		used := uses.Load()
		time.Sleep(24 * time.Hour)
		if n := uses.Load() - used; n != 0 {
			t.Errorf("the connection was used %d times", n)
		}
		u := <-port.submitted
		port.complete(u, 4, usb.OK)
		<-ended
	})
}
