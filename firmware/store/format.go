package store

import (
	"encoding/binary"
	"hash/crc32"

	"usbhsm7/firmware/flash"
)

// What the log is made of; docs/storage.md has the whole layout. All integers
// are little-endian, all checks CRC-32C, and everything begins on a unit.
const (
	unit            = 16 // bytes that are programmed once
	blockHeaderSize = 2 * unit
	batchHeaderSize = 24
	sealSize        = unit

	blockMagic = "HBLK"
	batchMagic = "HBAT"
	sealMagic  = "SEAL"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

func checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// framed returns the bytes that a batch with a body of n bytes takes in the log.
func framed(n int) int {
	return (batchHeaderSize+n+unit-1)/unit*unit + sealSize
}

// blockHeader begins each block of the log.
type blockHeader struct {
	seq   uint64 // number of the block in the log; tells its place in the ring too
	batch uint64 // number of the batch that was being written when the block was opened
	span  uint32 // blocks before this one that are still needed
	cut   uint16 // unit of the block before at which the log leaves it
	first uint16 // unit of this block at which the first new batch begins
}

// starts reports whether a batch begins right after the header.
func (h blockHeader) starts() bool { return h.first == blockHeaderSize/unit }

func (h blockHeader) encode() []byte {
	b := append(make([]byte, 0, blockHeaderSize), blockMagic...)
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint64(b, h.seq)
	b = le.AppendUint64(b, h.batch)
	b = le.AppendUint32(b, h.span)
	b = le.AppendUint16(b, h.cut)
	b = le.AppendUint16(b, h.first)
	le.PutUint32(b[4:], checksum(b[8:]))
	return b
}

func parseBlockHeader(b []byte) (h blockHeader, ok bool) {
	if string(b[:4]) != blockMagic || le.Uint32(b[4:]) != checksum(b[8:blockHeaderSize]) {
		return h, false
	}
	return blockHeader{
		seq:   le.Uint64(b[8:]),
		batch: le.Uint64(b[16:]),
		span:  le.Uint32(b[24:]),
		cut:   le.Uint16(b[28:]),
		first: le.Uint16(b[30:]),
	}, true
}

// batchHeader precedes the records of a batch.
type batchHeader struct {
	number uint64 // of the batch, counted from 1
	length uint32 // bytes of the body
	check  uint32 // of the body
}

// appendBatch appends a batch as it is programmed, all but its seal.
func appendBatch(b []byte, number uint64, body []byte) []byte {
	start := len(b)
	b = append(b, batchMagic...)
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint64(b, number)
	b = le.AppendUint32(b, uint32(len(body)))
	b = le.AppendUint32(b, checksum(body))
	le.PutUint32(b[start+4:], checksum(b[start+8:]))
	b = append(b, body...)
	for (len(b)-start)%unit != 0 {
		b = append(b, flash.Erased)
	}
	return b
}

func parseBatchHeader(b []byte) (h batchHeader, ok bool) {
	if string(b[:4]) != batchMagic || le.Uint32(b[4:]) != checksum(b[8:batchHeaderSize]) {
		return h, false
	}
	return batchHeader{number: le.Uint64(b[8:]), length: le.Uint32(b[16:]), check: le.Uint32(b[20:])}, true
}

// seal returns the mark that a batch is complete.
func seal(number uint64) []byte {
	b := append(make([]byte, 0, sealSize), sealMagic...)
	b = le.AppendUint64(b, number)
	return le.AppendUint32(b, checksum(b))
}

func parseSeal(b []byte) (number uint64, ok bool) {
	if string(b[:4]) != sealMagic || le.Uint32(b[12:]) != checksum(b[:12]) {
		return 0, false
	}
	return le.Uint64(b[4:]), true
}
