package server_test

import (
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// withScripted runs a test on a scripted port, with synthetic time.
func withScripted(t *testing.T, options server.Options, test func(t *testing.T, r *raw, port *scripted)) {
	synctest.Test(t, func(t *testing.T) {
		port := newScripted()
		r := servePipes(t, options, port).dial(t)
		defer r.Close()
		r.importDevice()
		test(t, r, port)
	})
}

// wantEcho shows that the stream is in step: a URB ends with its own reply, next.
func (r *raw) wantEcho(port *scripted, seq uint32) {
	r.t.Helper()
	r.send(submit(seq, usbtest.BulkIn, usb.Setup{}, 4))
	u := <-port.submitted
	port.complete(u, copy(u.Buffer, "echo"), usb.OK)
	r.wantResult(seq, usb.OK, []byte("echo"))
}

func TestUnlinkOfAPendingURBIsItsOnlyAnswer(t *testing.T) {
	addr, _ := serve(t, server.Options{}, usbtest.NewDevice(t))
	r := importRaw(t, addr)
	r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 512), unlink(2, 1))
	r.wantUnlinked(2, usb.ECONNRESET) // with the number of the UNLINK, not of the victim
	r.wantAlive()                     // and no reply to SUBMIT 1 before it
}

func TestUnlinkOfAControlTransfer(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		r.send(submit(1, 0x80, usb.Setup{RequestType: 0xc0, Length: 8}, 8), unlink(2, 1))
		r.wantUnlinked(2, usb.ECONNRESET)
		<-port.submitted
		r.wantEcho(port, 3)
	})
}

func TestUnlinkThatComesTooLateFollowsTheReply(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4))
		u := <-port.submitted
		port.complete(u, copy(u.Buffer, "data"), usb.OK)
		r.send(unlink(2, 1))
		r.wantResult(1, usb.OK, []byte("data"))
		r.wantUnlinked(2, usb.OK)
	})
}

func TestCompletionThatWinsAgainstTheUnlinkIsWrittenFirst(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		port.cancel = func(u *usb.URB) { port.complete(u, copy(u.Buffer, "data"), usb.OK) }
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4), unlink(2, 1))
		r.wantResult(1, usb.OK, []byte("data"))
		r.wantUnlinked(2, usb.OK)
	})
}

func TestURBThatCannotBeCancelledEndsInItsOwnTime(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		port.cancel = func(*usb.URB) {}
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4), unlink(2, 1))
		u := <-port.submitted
		r.wantEcho(port, 3)
		port.complete(u, copy(u.Buffer, "late"), usb.OK)
		r.wantResult(1, usb.OK, []byte("late"))
		r.wantUnlinked(2, usb.OK)
	})
}

func TestCancelledURBDeliversWhatHadArrived(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		port.cancel = func(u *usb.URB) { port.complete(u, copy(u.Buffer, "par"), usb.ECONNRESET) }
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 512), unlink(2, 1))
		r.wantResult(1, usb.ECONNRESET, []byte("par"))
		r.wantUnlinked(2, usb.OK)
	})
}

func TestSecondUnlinkOfOneURBFollowsTheFirst(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		port.cancel = func(*usb.URB) {}
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4), unlink(2, 1), unlink(3, 1))
		u := <-port.submitted
		r.wantEcho(port, 4)
		port.complete(u, 0, usb.ECONNRESET)
		r.wantUnlinked(2, usb.ECONNRESET)
		r.wantUnlinked(3, usb.OK)
	})
}

func TestEarlyUnlinkIsHeldUntilItsSubmit(t *testing.T) {
	for name, endpoint := range map[string]uint8{"IN": usbtest.BulkIn, "OUT": usbtest.BulkOut} {
		t.Run(name, func(t *testing.T) {
			withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
				r.send(unlink(8, 7))
				r.wantEcho(port, 1) // the UNLINK has no answer yet
				message := submit(7, endpoint, usb.Setup{}, 100)
				if endpoint == usbtest.BulkOut {
					message = append(message, make([]byte, 100)...)
				}
				r.send(message)
				r.wantUnlinked(8, usb.ECONNRESET)
				r.wantEcho(port, 2) // nothing of SUBMIT 7 is left in the stream
				if len(port.submitted) != 0 {
					t.Error("the cancelled URB reached the device")
				}
				now := time.Now()
				r.send(unlink(9, 7))
				r.wantUnlinked(9, usb.OK)
				if time.Since(now) != 0 {
					t.Error("the UNLINK of a URB that has ended waited for another")
				}
			})
		})
	}
}

// TestEarlyUnlinksAreCounted, those whose SUBMIT came: an UNLINK that is only
// late is none.
func TestEarlyUnlinksAreCounted(t *testing.T) {
	addr, s := serve(t, server.Options{}, usbtest.NewDevice(t))
	r := importRaw(t, addr)
	r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 512), unlink(2, 1), unlink(3, 1))
	r.wantUnlinked(2, usb.ECONNRESET)
	r.wantUnlinked(3, usb.OK)
	if n := s.EarlyUnlinks(); n != 0 {
		t.Errorf("%d early UNLINKs, want none", n)
	}
	r.send(unlink(5, 4), submit(4, usbtest.BulkIn, usb.Setup{}, 512), unlink(7, 6), submit(6, usbtest.BulkIn, usb.Setup{}, 512))
	r.wantUnlinked(5, usb.ECONNRESET)
	r.wantUnlinked(7, usb.ECONNRESET)
	if n := s.EarlyUnlinks(); n != 2 {
		t.Errorf("%d early UNLINKs, want 2", n)
	}
}

func TestEarlyUnlinkWithoutASubmitIsAnsweredInTheEnd(t *testing.T) {
	withScripted(t, server.Options{UnlinkTimeout: time.Second}, func(t *testing.T, r *raw, port *scripted) {
		start := time.Now()
		r.send(unlink(8, 7))
		time.Sleep(time.Second / 2)
		r.send(unlink(10, 9))
		r.wantUnlinked(8, usb.OK)
		r.wantUnlinked(10, usb.OK)
		if waited := time.Since(start); waited != 3*time.Second/2 {
			t.Errorf("answered after %v, want 1s of silence after the second", waited)
		}
		r.wantEcho(port, 7) // too late to cancel: a URB like any other
	})
}

// TestEarlyUnlinkOutlastsWhatIsBeforeItsSubmit: the SUBMIT of the victim comes
// behind data that takes its time.
func TestEarlyUnlinkOutlastsWhatIsBeforeItsSubmit(t *testing.T) {
	victim := submit(7, usbtest.BulkIn, usb.Setup{}, 4)
	first := append(submit(1, usbtest.BulkOut, usb.Setup{}, 100), make([]byte, 100)...)
	tests := map[string][][]byte{
		"half a payload":     {first[:100], first[100:]},
		"half a header":      {first, victim[:20], victim[20:]},
		"one byte at a time": {first[:48], first[48:49], first[49:50], first[50:51], first[51:]},
	}
	for name, pieces := range tests {
		t.Run(name, func(t *testing.T) {
			withScripted(t, server.Options{UnlinkTimeout: time.Second}, func(t *testing.T, r *raw, port *scripted) {
				r.send(unlink(8, 7))
				for _, p := range pieces[:len(pieces)-1] {
					r.send(p)
					if len(p) != len(first) {
						time.Sleep(10 * time.Second)
					}
				}
				r.send(pieces[len(pieces)-1])
				if name != "half a header" {
					r.send(victim)
				}
				r.wantUnlinked(8, usb.ECONNRESET)
			})
		})
	}
}

func TestEarlyUnlinkOutlastsTheTimeInWhichItsHostIsNotReadFrom(t *testing.T) {
	options := server.Options{UnlinkTimeout: time.Second, MaxPending: 1}
	withScripted(t, options, func(t *testing.T, r *raw, port *scripted) {
		r.send(unlink(8, 7), submit(1, usbtest.BulkIn, usb.Setup{}, 4), submit(2, usbtest.BulkIn, usb.Setup{}, 4), submit(7, usbtest.BulkIn, usb.Setup{}, 4))
		time.Sleep(30 * time.Second)
		port.complete(<-port.submitted, 0, usb.OK)
		r.wantResult(1, usb.OK, nil)
		r.wantUnlinked(8, usb.ECONNRESET)
	})
}

func TestEarlyUnlinkIsGivenUpAfterManySubmits(t *testing.T) {
	withScripted(t, server.Options{MaxPending: 4}, func(t *testing.T, r *raw, port *scripted) {
		r.send(unlink(8, 7))
		for seq := range uint32(64) {
			r.wantEcho(port, seq+100)
		}
		r.send(submit(200, usbtest.BulkIn, usb.Setup{}, 4))
		r.wantUnlinked(8, usb.OK)
	})
}

func TestUnlinkOfAnOldURBIsAnsweredAtOnce(t *testing.T) {
	withScripted(t, server.Options{}, func(t *testing.T, r *raw, port *scripted) {
		for seq := range uint32(1024) {
			r.wantEcho(port, seq)
		}
		start := time.Now()
		r.send(unlink(5000, 0))
		r.wantUnlinked(5000, usb.OK)
		if time.Since(start) != 0 {
			t.Error("the answer took its time")
		}
	})
}

func TestTooManyUnlinksOfOneURBEndTheConnection(t *testing.T) {
	withScripted(t, server.Options{MaxPending: 4}, func(t *testing.T, r *raw, port *scripted) {
		port.cancel = func(*usb.URB) {}
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4))
		for i := range uint32(5) {
			r.send(unlink(100+i, 1))
		}
		r.wantDropped()
	})
}

func TestTooManyEarlyUnlinksMakeTheOldestGiveUp(t *testing.T) {
	withScripted(t, server.Options{MaxPending: 4}, func(t *testing.T, r *raw, port *scripted) {
		for i := range uint32(65) {
			r.send(unlink(100+i, i))
		}
		r.wantUnlinked(100, usb.OK)
		r.send(submit(64, usbtest.BulkIn, usb.Setup{}, 4))
		r.wantUnlinked(164, usb.ECONNRESET)
	})
}

func TestHostThatLeavesGetsNoMoreAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := newScripted()
		listener := servePipes(t, server.Options{}, port)
		r := listener.dial(t)
		r.importDevice()
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4), submit(2, usbtest.BulkIn, usb.Setup{}, 4))
		synctest.Wait()
		if port.count() != 2 {
			t.Fatalf("%d URBs pending, want 2", port.count())
		}
		r.Close()
		synctest.Wait()
		if port.count() != 0 {
			t.Errorf("%d URBs outlive their host", port.count())
		}
		next := listener.dial(t)
		defer next.Close()
		next.importDevice()
	})
}

func TestDeviceIsFreeOnlyWhenItHasGivenBackItsURBs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := newScripted()
		port.slow = true
		listener := servePipes(t, server.Options{}, port)
		r := listener.dial(t)
		r.importDevice()
		r.send(submit(1, usbtest.BulkIn, usb.Setup{}, 4))
		u := <-port.submitted
		r.Close()
		next := listener.dial(t)
		next.send(proto.AppendImport(nil, busID))
		if op := next.op(); op.Status != proto.OpBusy {
			t.Errorf("import while a URB is out: %v, want busy", op.Status)
		}
		port.complete(u, 0, usb.ESHUTDOWN)
		synctest.Wait()
		last := listener.dial(t)
		defer last.Close()
		last.importDevice()
	})
}
