// Package server exports USB devices over USB/IP, so that another machine, or
// the Linux kernel on this one, attaches them as if they were plugged in.
//
//	s := server.New(server.Options{Logger: logger})
//	err := s.Export("1-1", device)          // any usb.Port, any number of them
//	listener, err := net.Listen("tcp", "127.0.0.1:3240")
//	err = s.Serve(ctx, listener)            // until ctx ends
//
// USB/IP has neither authentication nor encryption: whoever reaches the
// listener can use the devices. Listen on the loopback interface unless
// something in front of the server protects it.
//
// A device has one host at a time. While it has one, the list leaves it out and
// an import is answered with "busy"; when the connection ends, for whatever
// reason, the device is free again: before the host sees the end, if it was not
// the host that ended it. When the device unplugs itself the
// connection is dropped, which is how a USB/IP host sees an unplugged device.
//
// # How URBs end
//
// Every connection has one lock under which the fate of a URB is decided and its
// answer is queued, in that order, once. A host may therefore cancel a URB
// before, while or after it finishes, and even before the server has seen it:
// it gets exactly one final answer, and never an answer that Linux's vhci
// driver would take for a fault of the connection.
//
// # Limits
//
// Lengths are checked before memory is taken. A host that keeps more URBs or
// bytes pending than [Options] allows is not read from until there is room. When
// too many connections wait at the door, the oldest that has not asked for a
// device has to go, so that a flood of silent ones keeps nobody away.
// In steady state a URB costs no allocation and no goroutine. A session without
// new URBs gives back, after some seconds, the memory that it reused.
package server
