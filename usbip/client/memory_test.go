package client_test

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// answerAll answers each SUBMIT with success and as much data as was asked for,
// until the connection ends. It allocates nothing on the way.
func (f *fake) answerAll() {
	var header proto.Header
	data, reply := make([]byte, 1<<20), make([]byte, proto.HeaderSize+1<<20)
	for {
		if _, err := io.ReadFull(f, header[:]); err != nil {
			return
		}
		length := binary.BigEndian.Uint32(header[24:])
		size := proto.HeaderSize
		if in := header[15] == 1; in {
			size += int(length)
		} else if _, err := io.ReadFull(f, data[:length]); err != nil {
			return
		}
		binary.BigEndian.PutUint32(reply, uint32(proto.RetSubmit))
		copy(reply[4:8], header[4:8])
		binary.BigEndian.PutUint32(reply[24:], length)
		if _, err := f.Write(reply[:size]); err != nil {
			return
		}
	}
}

// answered returns a device whose URBs all succeed, until the test ends.
func answered(t *testing.T) *client.Device {
	near, far := net.Pipe()
	d, server := importedOver(t, near, far)
	var serving sync.WaitGroup
	t.Cleanup(func() {
		server.Close()
		serving.Wait()
	})
	serving.Go(server.answerAll)
	return d
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	d := answered(t)
	done := make(chan struct{}, 1)
	urbs := []*usb.URB{in(4096), {Endpoint: 0x01, Buffer: make([]byte, 4096)}, {Endpoint: 0x80, Buffer: make([]byte, 18)}}
	for _, u := range urbs {
		u.Done = func(*usb.URB) { done <- struct{}{} }
	}
	round := func() {
		for _, u := range urbs {
			d.Submit(u)
			<-done
		}
	}
	if n := testing.AllocsPerRun(2000, round); n != 0 {
		t.Errorf("%v allocations for three URBs, want 0", n)
	}
}

func TestClientAtRestFreesTheMemoryOfBusyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := answered(t)
		buffers := [3][]byte{make([]byte, 1<<20), make([]byte, 1<<20), make([]byte, 1<<20)}
		synctest.Wait()
		before := memory()
		var ends []<-chan struct{}
		for _, b := range buffers {
			ends = append(ends, usbtest.Start(d, &usb.URB{Endpoint: 0x01, Buffer: b}))
		}
		for _, end := range ends {
			<-end
		}
		busy := memory() - before
		time.Sleep(time.Minute)
		synctest.Wait()
		if rest := memory() - before; busy < 1<<20 || rest > 1<<18 {
			t.Errorf("%d KiB after busy times and %d KiB at rest, want more than 1 MiB and next to nothing", busy>>10, rest>>10)
		}
		runtime.KeepAlive(buffers)
	})
}

// memory returns the bytes of heap in use.
func memory() int {
	runtime.GC()
	runtime.GC() // what the first only found
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
