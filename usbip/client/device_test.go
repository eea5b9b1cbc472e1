package client_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

func TestSubmitOnTheWire(t *testing.T) {
	d, server := imported(t)
	setup := usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: 0x0100, Length: 18}
	control := &usb.URB{Endpoint: 0x80, Setup: setup, Buffer: make([]byte, 18)}
	done := start(d, control)
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
	done = start(d, out)
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
	firstDone, secondDone := start(d, first), start(d, second)
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
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d, server := imported(t)
			u := in(4)
			done := start(d, u)
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
			done = start(d, u)
			server.reply(proto.SubmitReply{Seq: server.submit().Seq}, "")
			<-done
		})
	}
}

// TestFaultsOfAServerEndTheConnection has what makes Linux's vhci driver drop a
// device, or worse, and answers that contradict each other.
func TestFaultsOfAServerEndTheConnection(t *testing.T) {
	tests := map[string]struct {
		fault string
		send  func(f *fake, seq, unlink uint32)
	}{
		"unknown number": {"is not pending", func(f *fake, seq, _ uint32) {
			f.reply(proto.SubmitReply{Seq: seq + 100}, "")
		}},
		"second reply": {"is not pending", func(f *fake, seq, _ uint32) {
			f.reply(proto.SubmitReply{Seq: seq}, "")
			f.reply(proto.SubmitReply{Seq: seq}, "")
		}},
		"reply after the URB was cancelled": {"is not pending", func(f *fake, seq, unlink uint32) {
			f.unlinked(unlink, usb.ECONNRESET)
			f.reply(proto.SubmitReply{Seq: seq}, "")
		}},
		"more than asked for": {"with 5 bytes, asked for 4", func(f *fake, seq, _ uint32) {
			f.reply(proto.SubmitReply{Seq: seq, Actual: 5}, "")
		}},
		"negative length": {"with -1 bytes", func(f *fake, seq, _ uint32) {
			f.reply(proto.SubmitReply{Seq: seq, Actual: -1}, "")
		}},
		"positive status": {"status 1", func(f *fake, seq, _ uint32) {
			f.reply(proto.SubmitReply{Seq: seq, Status: 1}, "")
		}},
		"isochronous packets": {"1 isochronous packets", func(f *fake, seq, _ uint32) {
			f.reply(proto.SubmitReply{Seq: seq, Packets: 1}, "")
		}},
		"unknown command": {"unknown command 9", func(f *fake, _, _ uint32) {
			f.send(append([]byte{0, 0, 0, 9}, make([]byte, 44)...))
		}},
		"not cancelled, but without a reply": {"has no reply yet", func(f *fake, _, unlink uint32) {
			f.unlinked(unlink, usb.OK)
		}},
		"cancelled, but with a reply": {"had its own reply", func(f *fake, seq, unlink uint32) {
			f.reply(proto.SubmitReply{Seq: seq}, "")
			f.unlinked(unlink, usb.ECONNRESET)
		}},
		"reply to no UNLINK": {"is not pending", func(f *fake, _, unlink uint32) {
			f.unlinked(unlink+100, usb.OK)
		}},
		"positive status of an UNLINK": {"status 1", func(f *fake, _, unlink uint32) {
			f.unlinked(unlink, 1)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d, server := imported(t)
			u, idle := in(4), in(4)
			done, idleDone := start(d, u), start(d, idle)
			submit := server.submit()
			server.submit()
			d.Cancel(u)
			test.send(server, submit.Seq, server.unlink().Seq)
			<-d.Gone()
			<-done
			<-idleDone
			if idle.Status != usb.ESHUTDOWN {
				t.Errorf("pending URB: %v, want ESHUTDOWN", idle.Status)
			}
			err := d.Err()
			if !errors.Is(err, proto.ErrMalformed) || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%v, want one that says %q", err, test.fault)
			}
		})
	}
}

func TestPayloadOnAReplyToOutEndsTheConnection(t *testing.T) {
	d, server := imported(t)
	done := start(d, &usb.URB{Endpoint: 0x01, Buffer: []byte("data")})
	submit := server.submit()
	server.read(4)
	server.reply(proto.SubmitReply{Seq: submit.Seq, Actual: 4}, strings.Repeat("data", 12))
	<-done
	<-d.Gone()
	if err := d.Err(); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("%v, want %v", err, proto.ErrMalformed)
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
			done := start(d, u)
			last(server, server.submit().Seq)
			server.Close()
			<-done
			<-d.Gone()
			if u.Status != usb.ESHUTDOWN || u.Actual != 0 || !errors.Is(d.Err(), client.ErrDisconnected) {
				t.Errorf("%v, %d bytes, %v; want ESHUTDOWN, %v", u.Status, u.Actual, d.Err(), client.ErrDisconnected)
			}
			<-start(d, u)
			if u.Status != usb.ENODEV {
				t.Errorf("afterwards: %v, want ENODEV", u.Status)
			}
		})
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
		"isochronous": {&usb.URB{Endpoint: bulkIn, Packets: make([]usb.IsoPacket, 1)}, usb.EINVAL},
		"too long":    {in(proto.MaxTransfer + 1), usb.EINVAL},
	} {
		<-start(d, test.urb)
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

// FuzzServer lets a server say anything to a client with URBs of every kind
// pending and one of them cancelled.
func FuzzServer(f *testing.F) {
	f.Add((&proto.SubmitReply{Seq: 1, Actual: 3}).Append(nil), []byte("abc"))
	f.Add((&proto.SubmitReply{Seq: 2, Actual: 4}).Append(nil), (&proto.SubmitReply{Seq: 2}).Append(nil))
	f.Add((&proto.UnlinkReply{Seq: 4, Status: usb.ECONNRESET}).Append(nil), (&proto.SubmitReply{Seq: 3}).Append(nil))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d, server := imported(t)
		urbs := []*usb.URB{in(4), {Endpoint: 0x01, Buffer: []byte("data")}, in(600)}
		ends := make([]int, len(urbs))
		for i, u := range urbs {
			u.Done = func(u *usb.URB) {
				ends[i]++
				if u.Actual > len(u.Buffer) || u.Status > 0 {
					t.Errorf("URB %d: %v, %d bytes", i, u.Status, u.Actual)
				}
			}
			d.Submit(u)
		}
		d.Cancel(urbs[2])
		server.read(4*proto.HeaderSize + 4)
		_, _ = server.Write(append(first, second...))
		server.Close()
		<-d.Gone()
		for i, n := range ends {
			if n != 1 {
				t.Errorf("URB %d ended %d times", i, n)
			}
		}
		if d.Err() == nil {
			t.Error("gone without a reason")
		}
	})
}
