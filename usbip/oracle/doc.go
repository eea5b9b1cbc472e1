// Package oracle judges a USB/IP server by the rules of Linux's vhci driver. It
// serves tests only: of the server, of the client, and of anything put between.
//
// A [Judge] knows what a host has asked for, takes what the server sends, and
// says of each message what the driver does with it: nothing special, a line in
// the kernel's log, the loss of the device, or harm to the kernel. It decodes
// messages by itself, so that it shares no mistake with package proto.
//
// A [Wire] is a connection that carries a host's session. It has a Judge watch
// both directions, records the answers in the order in which they passed, and
// can play the host's tricks: hold SUBMITs back so that UNLINKs overtake them,
// send UNLINKs twice, or not read for a while.
//
// A [Recorder] is a port that notes in which order a device ended its URBs, and
// how. Compared with the answers on the Wire that shows whether the server
// answers in the order of the decisions, and whether it tells the truth.
//
// A [Defect] is a fault that servers are known to have. A Wire that is given one
// commits it on the server's behalf; whoever tests the server in this way learns
// whether the test would notice.
package oracle
