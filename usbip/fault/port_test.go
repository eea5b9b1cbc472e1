package fault_test

import (
	"fmt"
	"math/bits"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// inBubble runs f with a device under a script, on simulated time.
func inBubble(t *testing.T, script string, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newBench(t, script)) })
}

func TestDelayHoldsDataOnItsWayAndKeepsTheOrder(t *testing.T) {
	inBubble(t, "on bulk-in nth 1: delay 5ms\non bulk-out: delay 3ms", func(t *testing.T, b *bench) {
		b.send("first", "second")
		began := time.Now()
		one, two := b.read(512), b.read(512)
		b.want(two, usb.OK, 6)
		if took := time.Since(began); took != 5*time.Millisecond {
			t.Errorf("the second transfer, behind one that is delayed by 5 ms, took %v", took)
		}
		b.want(one, usb.OK, 5)

		got := b.receive()
		began = time.Now()
		b.want(b.write("hello"), usb.OK, 5)
		if took := time.Since(began); took != 3*time.Millisecond || <-got != "hello" {
			t.Errorf("an OUT transfer took %v", took)
		}
	})
}

func TestDelaysFollowTheirDistribution(t *testing.T) {
	for script, limits := range map[string][3]time.Duration{ // least, mean, most
		"delay 5ms":             {5 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond},
		"delay 2ms..4ms":        {2 * time.Millisecond, 3 * time.Millisecond, 4 * time.Millisecond},
		"delay normal 5ms 1ms":  {0, 5 * time.Millisecond, 12 * time.Millisecond},
		"delay exponential 5ms": {0, 5 * time.Millisecond, 100 * time.Millisecond},
		"delay spikes 50% 10ms": {0, 5 * time.Millisecond, 10 * time.Millisecond},
	} {
		t.Run(script, func(t *testing.T) {
			inBubble(t, "seed 7\non bulk-out: "+script, func(t *testing.T, b *bench) {
				b.receive()
				const rounds = 1000
				var sum time.Duration
				for range rounds {
					began := time.Now()
					b.want(b.write("x"), usb.OK, 1)
					took := time.Since(began)
					if took < limits[0] || took > limits[2] {
						t.Fatalf("a delay of %v", took)
					}
					sum += took
				}
				if mean := sum / rounds; mean < limits[1]*9/10 || mean > limits[1]*11/10 {
					t.Errorf("a mean of %v, want %v", mean, limits[1])
				}
			})
		})
	}
}

func TestStallIsAHaltThatTheHostMustClear(t *testing.T) {
	inBubble(t, "on bulk-in nth 2: stall", func(t *testing.T, b *bench) {
		b.send("first", "second")
		one, two, three := b.read(512), b.read(512), b.read(512)
		b.want(one, usb.OK, 5)
		b.want(two, usb.EPIPE, 0)
		b.want(three, usb.EPIPE, 0)
		b.want(b.read(512), usb.EPIPE, 0)
		status := b.do(&usb.URB{Endpoint: 0x80, Buffer: make([]byte, 2), Setup: usb.Setup{
			RequestType: usb.DirIn | usb.RecipientEndpoint, Request: usb.GetStatus, Index: usbtest.BulkIn, Length: 2,
		}})
		if status.Buffer[0] != 1 {
			t.Error("GET_STATUS does not show the halt")
		}
		b.clearHalt(usbtest.BulkIn)
		b.send("third")
		b.want(b.read(512), usb.OK, 5)
	})
}

func TestStallOnceNeedsNoClearing(t *testing.T) {
	inBubble(t, "on bulk-in times 2: stall once\non control nth 1: stall", func(t *testing.T, b *bench) {
		b.send("data")
		b.want(b.read(512), usb.EPIPE, 0)
		b.want(b.read(512), usb.EPIPE, 0)
		b.want(b.read(512), usb.OK, 4)
		configuration := func() pending {
			return b.do(&usb.URB{Endpoint: 0x80, Buffer: make([]byte, 1), Setup: usb.Setup{
				RequestType: usb.DirIn, Request: usb.GetConfiguration, Length: 1,
			}})
		}
		b.want(configuration(), usb.EPIPE, 0)
		b.want(configuration(), usb.OK, 1)
	})
}

func TestNAKKeepsATransferUntilItIsCancelled(t *testing.T) {
	inBubble(t, "on bulk-in nth 1: nak\non bulk-out: nak for 2s", func(t *testing.T, b *bench) {
		b.send("data")
		one, two := b.read(512), b.read(512)
		time.Sleep(time.Hour)
		b.isPending(one)
		b.isPending(two)
		b.port.Cancel(one.URB)
		b.want(one, usb.ECONNRESET, 0)
		b.want(two, usb.OK, 4)

		b.receive()
		began := time.Now()
		b.want(b.write("x"), usb.OK, 1)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("nak for 2s took %v", took)
		}
	})
}

func TestShortTransfersLoseTheirEnd(t *testing.T) {
	inBubble(t, "on any from 1 to 2: short 3 bytes", func(t *testing.T, b *bench) {
		b.send("abcdef", "next")
		got := b.receive()
		read := b.read(512)
		b.want(read, usb.OK, 3)
		if string(read.Buffer[:6]) != "abc\x00\x00\x00" {
			t.Errorf("the buffer holds %q", read.Buffer[:6])
		}
		b.want(b.write("uvwxyz"), usb.OK, 3)
		b.want(b.read(512), usb.OK, 4)
		b.want(b.write("next"), usb.OK, 4)
		if one, two := <-got, <-got; one != "uvw" || two != "next" {
			t.Errorf("the device received %q and %q", one, two)
		}
	})
}

func TestShortEndsATransferAlsoAtAFullPacket(t *testing.T) {
	inBubble(t, "on bulk-out nth 1: short 512 bytes\non bulk-in: short 512 bytes", func(t *testing.T, b *bench) {
		got := b.receive()
		b.want(b.write(strings.Repeat("x", 700)), usb.OK, 512)
		if n := len(<-got); n != 512 {
			t.Errorf("the device received %d bytes", n)
		}
		b.send(strings.Repeat("y", 700))
		u := in(1024)
		u.Flags = usb.ShortNotOK
		b.want(b.start(u), usb.EREMOTEIO, 512)
	})
}

func TestZeroLengthComesBeforeTheData(t *testing.T) {
	inBubble(t, "on bulk-in nth 1: zero-length\non bulk-out nth 1: zero-length", func(t *testing.T, b *bench) {
		b.send("data")
		b.want(b.read(512), usb.OK, 0)
		b.want(b.read(512), usb.OK, 4)
		got := b.receive()
		b.want(b.write("data"), usb.OK, 4)
		if one, two := <-got, <-got; one != "" || two != "data" {
			t.Errorf("the device received %q and %q", one, two)
		}
	})
}

func TestErrorsEndATransferAfterWholePackets(t *testing.T) {
	for name, status := range map[string]usb.Status{
		"EPROTO": usb.EPROTO, "EILSEQ": usb.EILSEQ, "ETIME": usb.ETIME, "EOVERFLOW": usb.EOVERFLOW,
	} {
		t.Run(name, func(t *testing.T) {
			script := fmt.Sprintf("on bulk-in nth 1: error %[1]s\non bulk-in nth 2: error %[1]s after 600 bytes", name)
			inBubble(t, script, func(t *testing.T, b *bench) {
				b.send(strings.Repeat("x", 800))
				b.want(b.read(1024), status, 0)
				b.want(b.read(1024), status, 512)
				b.want(b.read(1024), usb.OK, 288)
			})
		})
	}
}

func TestCorruptFlipsAsManyBitsAsItSays(t *testing.T) {
	inBubble(t, "seed 3\non bulk-in: corrupt 5 bits\non bulk-out: corrupt 2 bits within 4..5", func(t *testing.T, b *bench) {
		plain := strings.Repeat("plain text ", 10)
		b.send(plain)
		read := b.read(512)
		b.want(read, usb.OK, len(plain))
		if n := differences(plain, string(read.Buffer[:read.Actual])); n != 5 {
			t.Errorf("%d bits differ", n)
		}
		got := b.receive()
		write := b.write("01234567")
		b.want(write, usb.OK, 8)
		received := <-got
		if differences("01234567", received) != 2 || differences("45", received[4:6]) != 2 {
			t.Errorf("the device received %q", received)
		}
		if string(write.Buffer) != "01234567" {
			t.Errorf("the host's own buffer was changed to %q", write.Buffer)
		}
	})
}

func differences(a, b string) (n int) {
	for i := range len(a) {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

func TestDisconnectInMidTransfer(t *testing.T) {
	inBubble(t, "on bulk-out nth 2: disconnect after 1000 bytes, plug after 2s", func(t *testing.T, b *bench) {
		b.receive()
		idle := b.start(&usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 64)})
		b.want(b.write("fine"), usb.OK, 4)
		b.want(b.write(strings.Repeat("x", 2000)), usb.ESHUTDOWN, 512)
		b.want(idle, usb.ESHUTDOWN, 0)
		<-b.gone
		b.port.Disconnect()
		if _, err := b.port.Connect(); err != usb.ErrNoDevice || !b.port.Identity().Unplugged {
			t.Errorf("an unplugged device is connected with %v", err)
		}
		time.Sleep(2*time.Second + 1)
		b.connect()
		b.want(b.write("fine again"), usb.OK, 10)
	})
}

func TestDeviceStaysPluggedInIfItsTransferNeverMoves(t *testing.T) {
	inBubble(t, "on bulk-in: disconnect after 512 bytes", func(t *testing.T, b *bench) {
		read := b.read(1024)
		b.port.Cancel(read.URB)
		b.want(read, usb.ECONNRESET, 0)
		read = b.read(1024)
		b.port.Disconnect()
		b.want(read, usb.ESHUTDOWN, 0)
		b.connect()
	})
}

func TestClearPlugsInAgainAndLetsGo(t *testing.T) {
	inBubble(t, "on bulk-out nth 2: disconnect\non bulk-in: nak", func(t *testing.T, b *bench) {
		b.receive()
		b.write("fine")
		b.want(b.write("not"), usb.ESHUTDOWN, 0)
		b.port.Disconnect()
		b.injector.Clear()
		b.connect()
		b.load("on bulk-in: nak\non bulk-out: delay 1h")
		b.send("data")
		read, write := b.read(512), b.write("data")
		synctest.Wait()
		b.isPending(read)
		b.isPending(write)
		b.injector.Clear()
		b.want(read, usb.OK, 4)
		b.want(write, usb.OK, 4)
	})
}

// TestClearWaitsUntilTheDeviceIsBack though the host is being given a URB, which
// comes first.
func TestClearWaitsUntilTheDeviceIsBack(t *testing.T) {
	inBubble(t, "on bulk-out: disconnect", func(t *testing.T, b *bench) {
		told, unplugged := make(chan struct{}), make(chan bool)
		u := out("data")
		u.Done = func(*usb.URB) { <-told }
		go b.port.Submit(u)
		synctest.Wait()
		go func() {
			b.injector.Clear()
			unplugged <- b.port.Identity().Unplugged
		}()
		synctest.Wait()
		close(told)
		if <-unplugged {
			t.Error("the device is still unplugged")
		}
	})
}

// TestClearSparesWhatIsAtTheDevice: a host reads long before the device has something
// to say, and that must not meet a fault of a script that is gone.
func TestClearSparesWhatIsAtTheDevice(t *testing.T) {
	for script, want := range map[string]usb.Status{
		"on bulk-in: short 1 byte":                 usb.OK,
		"on bulk-in: corrupt 1 bit":                usb.OK,
		"on bulk-in: delay 1h":                     usb.OK,
		"on bulk-in: reorder behind 1 within 1h":   usb.OK,
		"on bulk-in: disconnect after 512 bytes":   usb.ESHUTDOWN, // it had begun
		"on bulk-in: error EPROTO after 512 bytes": usb.EPROTO,
		"on bulk-in: delay 1h, corrupt 9 bits":     usb.OK,
	} {
		t.Run(script, func(t *testing.T) {
			inBubble(t, script, func(t *testing.T, b *bench) {
				sent := strings.Repeat("data", 128)
				read, began := b.read(1024), time.Now()
				synctest.Wait()
				b.injector.Clear()
				b.send(sent)
				b.want(read, want, len(sent))
				if string(read.Buffer[:read.Actual]) != sent || time.Since(began) != 0 {
					t.Error("the host got other data, or late")
				}
				if b.port.Identity().Unplugged {
					t.Error("the device unplugged")
				}
			})
		})
	}
}

func TestResetEndsWhatIsPending(t *testing.T) {
	inBubble(t, "on bulk-out nth 1: reset", func(t *testing.T, b *bench) {
		got := b.receive()
		idle := b.start(&usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 64)})
		b.want(b.write("after the reset"), usb.OK, 15)
		b.want(idle, usb.ESHUTDOWN, 0)
		if received := <-got; received != "after the reset" {
			t.Errorf("the device received %q", received)
		}
	})
}

func TestReorderLetsOtherEndpointsPass(t *testing.T) {
	inBubble(t, "on bulk-in nth 1: reorder behind 2 within 1s\non bulk-in nth 2: reorder behind 1 within 1s", func(t *testing.T, b *bench) {
		b.send("one", "two")
		b.receive()
		read := b.read(512)
		b.want(b.write("first"), usb.OK, 5)
		b.isPending(read)
		b.want(b.write("second"), usb.OK, 6)
		b.want(read, usb.OK, 3)
		began := time.Now()
		b.want(b.read(512), usb.OK, 3)
		if took := time.Since(began); took != time.Second {
			t.Errorf("with nothing to pass it took %v", took)
		}
	})
}

func TestCancelWorksAtOnceInEveryStage(t *testing.T) {
	inBubble(t, "on bulk-in: delay 1h\non bulk-out: delay 1h", func(t *testing.T, b *bench) {
		b.send("one", "two")
		first, second, idle := b.read(512), b.read(512), b.read(512)
		write, behind := b.write("x"), b.write("y")
		synctest.Wait()
		began := time.Now()
		for _, p := range []pending{idle, behind, write} {
			b.port.Cancel(p.URB)
			b.want(p, usb.ECONNRESET, 0)
		}
		b.port.Cancel(second.URB) // what had arrived stays in order
		b.want(first, usb.OK, 3)
		b.want(second, usb.OK, 3)
		if string(first.Buffer[:3])+string(second.Buffer[:3]) != "onetwo" {
			t.Errorf("the data changed places")
		}
		b.port.Cancel(first.URB) // it has ended: nothing happens
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestHostThatLeavesGetsItsURBsBack(t *testing.T) {
	for name, leave := range map[string]func(*bench){
		"disconnect": func(b *bench) { b.port.Disconnect() },
		"unplug":     func(b *bench) { b.device.Unplug() },
		"close":      func(b *bench) { b.port.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, "on bulk-in nth 1: delay 1h\non bulk-out: nak\non interrupt: nak", func(t *testing.T, b *bench) {
				b.send("data")
				all := []pending{b.read(512), b.read(512), b.write("x"), b.write("y"), b.start(&usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 64)})}
				synctest.Wait()
				leave(b)
				for _, p := range all {
					<-p.done
					if p.Status != usb.ESHUTDOWN && (name != "close" || p.Status != usb.OK) {
						t.Errorf("endpoint %02x: %v", p.Endpoint, p.Status)
					}
				}
			})
		})
	}
}

func TestWithoutAScriptNothingChanges(t *testing.T) {
	b := newBench(t, "")
	b.receive()
	u := out("data")
	done := make(chan struct{}, 1)
	u.Done = func(*usb.URB) { done <- struct{}{} }
	if n := testing.AllocsPerRun(100, func() {
		b.port.Submit(u)
		b.port.Cancel(u)
		<-done
	}); n != 0 {
		t.Errorf("%v allocations for a URB", n)
	}
	if r := b.injector.Report(); len(r.Rules) != 0 {
		t.Errorf("report %+v", r)
	}
}

func TestReportCounts(t *testing.T) {
	b := newBench(t, "\n# comment\non bulk-out every 3: error EPROTO\non bulk-out after 4 times 2: delay 0s # late\non bulk-in: nak")
	b.receive()
	for range 10 {
		b.do(out("x"))
	}
	want := []fault.RuleReport{
		{Line: 3, Rule: "on bulk-out every 3: error EPROTO", Matched: 10, Fired: 3},
		{Line: 4, Rule: "on bulk-out after 4 times 2: delay 0s", Matched: 10, Fired: 2},
		{Line: 5, Rule: "on bulk-in: nak"},
	}
	for i, r := range b.injector.Report().Rules {
		if r != want[i] {
			t.Errorf("%+v, want %+v", r, want[i])
		}
	}
}
