package client_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestSubmitOnTheWire(t *testing.T) {
	d, server := imported(t)
	setup := usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: 0x0100, Length: 18}
	control := &usb.URB{Endpoint: 0x80, Setup: setup, Buffer: make([]byte, 18)}
	done := usbtest.Start(d, control)
	got := server.submit()
	want := proto.Submit{Seq: got.Seq, DevID: 1<<16 | 2, In: true, Length: 18, Setup: setup}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	server.reply(proto.SubmitReply{Seq: got.Seq, Actual: 5}, "short")
	<-done
	if control.Status != usb.OK || string(control.Buffer[:control.Actual]) != "short" {
		t.Errorf("%v, % x", control.Status, control.Buffer[:control.Actual])
	}

	out := &usb.URB{Endpoint: 0x03, Buffer: []byte("payload"), Flags: usb.ZeroPacket}
	done = usbtest.Start(d, out)
	second := server.submit()
	want = proto.Submit{Seq: second.Seq, DevID: 1<<16 | 2, Endpoint: 3, Length: 7, Flags: usb.ZeroPacket, Interval: 1}
	if second != want || second.Seq == got.Seq {
		t.Errorf("%+v, want %+v", second, want)
	}
	if data := server.read(7); !bytes.Equal(data, out.Buffer) {
		t.Errorf("payload % x", data)
	}
	server.reply(proto.SubmitReply{Seq: second.Seq, Actual: 7}, "")
	<-done
	if out.Status != usb.OK || out.Actual != 7 {
		t.Errorf("%v, %d bytes; want 7", out.Status, out.Actual)
	}
}

func TestRepliesMayComeInAnyOrder(t *testing.T) {
	d, server := imported(t)
	first, second := in(4), in(4)
	firstDone, secondDone := usbtest.Start(d, first), usbtest.Start(d, second)
	a, b := server.submit(), server.submit()
	server.reply(proto.SubmitReply{Seq: b.Seq, Actual: 3}, "two")
	<-secondDone
	server.reply(proto.SubmitReply{Seq: a.Seq, Actual: 3}, "one")
	<-firstDone
	if string(first.Buffer[:3]) != "one" || string(second.Buffer[:3]) != "two" {
		t.Errorf("%q and %q", first.Buffer, second.Buffer)
	}
}

func TestCancel(t *testing.T) {
	tests := map[string]struct {
		answer func(f *fake, seq, unlink uint32)
		status usb.Status
		data   string
	}{
		"the server cancelled it": {func(f *fake, _, unlink uint32) {
			f.unlinked(unlink, usb.ECONNRESET)
		}, usb.ECONNRESET, ""},
		"it finished first": {func(f *fake, seq, unlink uint32) {
			f.reply(proto.SubmitReply{Seq: seq, Actual: 4}, "data")
			f.unlinked(unlink, usb.OK)
		}, usb.OK, "data"},
		"a part had arrived": {func(f *fake, seq, unlink uint32) {
			f.reply(proto.SubmitReply{Seq: seq, Actual: 2, Status: usb.ECONNRESET}, "da")
			f.unlinked(unlink, usb.OK)
		}, usb.ECONNRESET, "da"},
		"the status of another server": {func(f *fake, _, unlink uint32) {
			f.unlinked(unlink, usb.ENOENT)
		}, usb.ENOENT, ""},
		"it finished, but its result is not told": {func(f *fake, _, unlink uint32) {
			f.unlinked(unlink, usb.OK)
		}, usb.ECONNRESET, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d, server := imported(t)
			u := in(4)
			done := usbtest.Start(d, u)
			submit := server.submit()
			d.Cancel(u)
			d.Cancel(u) // once is enough
			unlink := server.unlink()
			if unlink.Victim != submit.Seq || unlink.DevID != submit.DevID || unlink.Seq == submit.Seq {
				t.Errorf("%+v for %+v", unlink, submit)
			}
			test.answer(server, submit.Seq, unlink.Seq)
			<-done
			if u.Status != test.status || string(u.Buffer[:u.Actual]) != test.data {
				t.Errorf("%v, %q; want %v, %q", u.Status, u.Buffer[:u.Actual], test.status, test.data)
			}
			d.Cancel(u) // too late: nothing happens
			done = usbtest.Start(d, u)
			server.reply(proto.SubmitReply{Seq: server.submit().Seq}, "")
			<-done
		})
	}
}

func TestServerThatLeaves(t *testing.T) {
	for name, last := range map[string]func(f *fake, seq uint32){
		"between messages": func(*fake, uint32) {},
		"in a header":      func(f *fake, _ uint32) { f.send(make([]byte, 10)) },
		"in the data": func(f *fake, seq uint32) {
			f.reply(proto.SubmitReply{Seq: seq, Actual: 4}, "da")
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, server := imported(t)
			if d.Err() != nil {
				t.Fatal(d.Err())
			}
			u := in(4)
			done := usbtest.Start(d, u)
			last(server, server.submit().Seq)
			server.Close()
			<-done
			<-d.Gone()
			if u.Status != usb.ESHUTDOWN || u.Actual != 0 || !errors.Is(d.Err(), client.ErrDisconnected) {
				t.Errorf("%v, %d bytes, %v; want ESHUTDOWN, %v", u.Status, u.Actual, d.Err(), client.ErrDisconnected)
			}
			<-usbtest.Start(d, u)
			if u.Status != usb.ENODEV {
				t.Errorf("afterwards: %v, want ENODEV", u.Status)
			}
		})
	}
}

func TestReasonIsKnownWhenAURBComesBackForIt(t *testing.T) {
	d, server := imported(t)
	said := make(chan error, 1)
	d.Submit(&usb.URB{Endpoint: bulkIn, Buffer: make([]byte, 8), Done: func(*usb.URB) { said <- d.Err() }})
	server.read(proto.HeaderSize)
	server.Close()
	if err := <-said; !errors.Is(err, client.ErrDisconnected) {
		t.Errorf("the reason is %v, want %v", err, client.ErrDisconnected)
	}
}

func TestCloseGivesBackEverythingInOrder(t *testing.T) {
	d, server := imported(t)
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { _, _ = io.Copy(io.Discard, server) }) // takes everything and answers nothing
	var order []int
	for i := range 3 {
		u := in(4)
		u.Done = func(u *usb.URB) {
			if u.Status != usb.ESHUTDOWN {
				t.Errorf("URB %d: %v, want ESHUTDOWN", i, u.Status)
			}
			order = append(order, i)
		}
		d.Submit(u)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if len(order) != 3 || order[0] != 0 || order[2] != 2 {
		t.Errorf("given back in the order %v", order)
	}
	if err := d.Close(); err != nil || !errors.Is(d.Err(), client.ErrClosed) {
		t.Errorf("%v, %v; want %v", err, d.Err(), client.ErrClosed)
	}
}

func TestURBsThatCannotBeSent(t *testing.T) {
	d, _ := imported(t)
	for name, test := range map[string]struct {
		urb  *usb.URB
		want usb.Status
	}{
		"packet beyond the buffer": {&usb.URB{Endpoint: bulkIn, Packets: []usb.IsoPacket{{Length: 1}}}, usb.EINVAL},
		"no packets":               {&usb.URB{Endpoint: bulkIn, Packets: []usb.IsoPacket{}}, usb.EINVAL},
		"too many packets":         {&usb.URB{Endpoint: bulkIn, Packets: make([]usb.IsoPacket, proto.MaxIsoPackets+1)}, usb.EINVAL},
		"isochronous control":      {&usb.URB{Packets: make([]usb.IsoPacket, 1)}, usb.EINVAL},
		"too long":                 {in(proto.MaxTransfer + 1), usb.EINVAL},
	} {
		<-usbtest.Start(d, test.urb)
		if test.urb.Status != test.want {
			t.Errorf("%s: %v, want %v", name, test.urb.Status, test.want)
		}
	}
}

func TestSubmitNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := imported(t) // nobody reads what the client sends
		var status []usb.Status
		for range 1025 {
			u := in(4)
			u.Done = func(u *usb.URB) { status = append(status, u.Status) }
			d.Submit(u)
		}
		if len(status) != 1 || status[0] != usb.ENOMEM {
			t.Errorf("%v beyond 1024 pending URBs, want one ENOMEM", status)
		}
		status = nil
		d.Close()
		if len(status) != 1024 {
			t.Errorf("%d URBs given back, want 1024", len(status))
		}
	})
}

func TestIdentityIsThatOfTheImport(t *testing.T) {
	d, _ := imported(t)
	if got := d.Identity(); got.Vendor != 0x1209 || got.Speed != usb.SpeedHigh || got.Configurations != 1 {
		t.Errorf("%+v", got)
	}
}
