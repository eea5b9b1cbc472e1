package fuf

import (
	"encoding/binary"
	"fmt"
)

// The layout of a file; docs/fuf-format.md has it byte by byte. Integers outside
// of CBOR are little-endian.
//
//	0    magic
//	8    u32 length of the whole file
//	12   u32 length of the signed part
//	16   u32 length of the proof
//	20   u32 length of the table
//	24   signed part, proof, table: with the preamble, the head
//	then the chunks
const (
	magic = "\x89FUF\r\n\x1a\n" // no text, and no text conversion leaves it alone

	// PreambleSize is the number of bytes that tell how long the head is.
	PreambleSize = 24
	// ChunkSize is the number of bytes of the payload in a chunk; the last chunk
	// may have fewer.
	ChunkSize = 16 << 10
	// Overhead is the number of bytes that a chunk has more in the file.
	Overhead = 16
	// MaxPayload is the greatest size of a payload, bytes.
	MaxPayload = 16 << 20

	maxSigned = 64 << 10
	maxProof  = 64 << 10
	maxTable  = MaxPayload / ChunkSize * entrySize

	// MaxHead is the greatest size of a head, bytes.
	MaxHead = PreambleSize + maxSigned + maxProof + maxTable
)

var le = binary.LittleEndian

// preamble is what a file says about its parts, bytes.
type preamble struct {
	total, signed, proof, table int
}

func (p preamble) head() int { return PreambleSize + p.signed + p.proof + p.table }

func (p preamble) append(b []byte) []byte {
	b = append(b, magic...)
	for _, n := range []int{p.total, p.signed, p.proof, p.table} {
		b = le.AppendUint32(b, uint32(n))
	}
	return b
}

// parsePreamble reads the lengths and checks them against the limits and each
// other.
func parsePreamble(b []byte) (preamble, error) {
	if n := min(len(b), len(magic)); string(b[:n]) != magic[:n] {
		return preamble{}, ErrMagic
	}
	if len(b) < PreambleSize {
		return preamble{}, fmt.Errorf("%w: %d bytes", ErrLength, len(b))
	}
	total, signed, proof, table := le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint32(b[16:]), le.Uint32(b[20:])
	if signed > maxSigned || proof > maxProof || table > maxTable || total > MaxHead+MaxPayload+maxTable/entrySize*Overhead {
		return preamble{}, fmt.Errorf("%w: %d bytes, %d signed, %d of proof, %d of table", ErrTooLarge, total, signed, proof, table)
	}
	p := preamble{int(total), int(signed), int(proof), int(table)}
	if p.table == 0 || p.table%entrySize != 0 || p.total <= p.head() {
		return preamble{}, fmt.Errorf("%w: %d bytes, of which %d are the head and %d the table", ErrLength, total, p.head(), table)
	}
	return p, nil
}

// HeadSize returns the number of bytes of the head, from the first PreambleSize
// bytes of a file: at most MaxHead. It refuses with ErrMagic, ErrLength or
// ErrTooLarge.
func HeadSize(first []byte) (int, error) {
	p, err := parsePreamble(first)
	return p.head(), err
}

// chunksOf returns how many chunks a payload of size bytes has.
func chunksOf(size int) int { return (size + ChunkSize - 1) / ChunkSize }
