// Package fault makes the transfers of a USB device go wrong on purpose, by a
// script: late, stalled, short, damaged, never, or with the device pulled out in
// the middle. It stands between a USB/IP server and a device, and between the
// server and its connections:
//
//	script, err := fault.Parse("seed 42\non bulk-in every 10: delay normal 5ms 1ms\n")
//	injector := fault.New(fault.Options{})
//	err = injector.Load(script)
//	server.Export("1-1", injector.Port(device))
//	server.Serve(ctx, injector.Listener(listener))
//
// docs/faults.md has the grammar and what a host sees of each fault. A test may
// also write a [Script] down in Go:
//
//	fault.Script{Rules: []fault.Rule{{
//		On:     fault.Selector{Type: fault.Bulk, Direction: fault.In, From: 3, To: 3},
//		Faults: []fault.Fault{fault.Stall{}},
//	}}}
//
// # What stays whole
//
// A [Port] keeps every rule of usb.Port: Submit and Cancel never block, each URB
// ends once, those of one endpoint in order, and one that the host cancels ends at
// once if it is held here. Whatever a script says, a server does nothing that the
// USB/IP protocol forbids, so a script is no danger to the kernel of a host. What
// the protocol forbids, such as to answer twice, is a [Reply]; an [Injector]
// refuses it, and only [Import] plays it, to a client in the same process.
//
// # The same again
//
// The same script, seed and sequence of transfers give the same faults. Each rule
// draws from a source of its own, so that other rules do not change what it does.
// Time is that of package time: in a bubble of testing/synctest a delay of an hour
// takes none.
//
// # Cost
//
// Without a script a URB costs one atomic load and no allocation, and connections
// are not even wrapped. With one, a port has one timer and, while a host is
// connected, one goroutine; there is none for a URB.
package fault
