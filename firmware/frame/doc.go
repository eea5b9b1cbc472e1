// Package frame is the framing of the protocol between a host and the device:
// it turns messages into frames, frames into bulk transfers, and back.
//
// A sender wraps each message in a Splitter and appends frames to a transfer
// until the transfer is full:
//
//	s := frame.NewSplitter(message)
//	transfer, done := s.AppendFrame(transfer, frame.MaxTransfer-len(transfer))
//
// A receiver feeds each transfer it reads to an Assembler, which hands whole
// messages and faults to a Sink. The Assembler bounds the memory a peer can
// make it hold, finds the next frame after garbage, and reports each defect
// once, with the tag of the request it hit.
//
// Every integer is little-endian. docs/protocol.md is the specification, and
// testdata holds vectors that any implementation can run.
package frame

// Limits of version 1. Sizes are in bytes.
const (
	HeaderSize  = 32
	MaxTransfer = 65024                    // 127 packets of 512: fits a 65,536-byte buffer and its end is always seen
	MaxPayload  = MaxTransfer - HeaderSize // payload of one frame
	MaxMessage  = 16 << 20                 // payload of one message
	MaxEvent    = 512                      // an event frame with its header: one packet at high speed

	MaxInFlight   = 64             // requests without an answer, and messages begun and not ended
	MaxUnfinished = 2 * MaxMessage // sum of the totals of the messages begun and not ended, in one direction
)

// Version is the only protocol version there is.
const Version = 1

// The statuses of faults: the numbers of the same names in package command,
// repeated here so that this package needs nothing but the standard library.
const (
	StatusDataLenRange          uint32 = 0x00210000 // message longer than MaxMessage
	StatusIncompatible          uint32 = 0x00300024 // header of another version
	StatusTransmissionError     uint32 = 0x00300203 // frame or message cut short, or parts that do not fit together
	StatusCommandMalformed      uint32 = 0x00300205 // no frame, or a header that makes no sense
	StatusMailboxesNotAvailable uint32 = 0x00300206 // too many messages begun, or too many bytes announced
	StatusFunctionCanceled      uint32 = 0x00500000 // cancelled before its last fragment came
	StatusOperationActive       uint32 = 0x00900000 // a message begun while one with the same tag is unfinished
)
