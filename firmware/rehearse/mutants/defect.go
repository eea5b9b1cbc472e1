package mutants

import (
	"bytes"
	"encoding/binary"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// Defect is a way to get the verification of files wrong: it does not look at some of
// the bytes, or writes to the flash before it has looked.
type Defect struct {
	Name string
	Like string // a report of such a defect somewhere; "" = none is known

	blind func(file []byte) (begin, end int) // bytes of the head that it takes for genuine; nil = none
	eager bool                               // it empties a block of the flash first
}

// Defects returns defects that a run has to notice.
func Defects() []Defect {
	return []Defect{
		{Name: "the length of the whole file is not signed", Like: "CVE-2026-34155", blind: func([]byte) (int, int) { return 8, 12 }},
		{Name: "the Ed25519 signature is not verified", Like: "mcuboot#2707", blind: signatureAt("\xA0\x58\x40", 64)},
		{Name: "the ML-DSA-65 signature is not verified", Like: "mcuboot#2707", blind: signatureAt("\xA0\x59\x0C\xED", 3309)},
		{Name: "the table of chunks is not compared with the root that was signed", blind: tableOf},
		{Name: "the magic is not looked at", blind: func([]byte) (int, int) { return 0, 8 }},
		{Name: "a block is emptied before the head is verified", Like: "zephyr#51798", eager: true},
	}
}

// signatureAt finds a signature by what stands before it.
func signatureAt(mark string, size int) func([]byte) (begin, end int) {
	return func(file []byte) (begin, end int) {
		begin = bytes.Index(file, []byte(mark)) + len(mark)
		return begin, begin + size
	}
}

func tableOf(file []byte) (begin, end int) {
	size := int(binary.LittleEndian.Uint32(file[20:]))
	head, err := fuf.HeadSize(file)
	if err != nil {
		return 0, 0
	}
	return head - size, head
}

// plant puts the defect into a verifier that stands on a chip.
func (d *Defect) plant(v boot.Verifier, chip flash.Device, genuine []byte) boot.Verifier {
	b := blind{Verifier: v, genuine: genuine}
	if d.blind != nil {
		b.begin, b.end = d.blind(genuine)
	}
	if d.eager {
		b.chip = chip
	}
	return b
}

// blind takes some bytes of every head for those of the genuine one.
type blind struct {
	boot.Verifier
	genuine    []byte
	begin, end int
	chip       flash.Device // on which it empties a block; nil = none
}

// Open implements boot.Verifier.
func (b blind) Open(head []byte) (*fuf.Update, error) {
	if b.chip != nil {
		if err := b.chip.Erase(b.chip.Geometry().Blocks - 1); err != nil {
			return nil, err
		}
	}
	if len(head) >= b.end {
		patched := bytes.Clone(head)
		copy(patched[b.begin:b.end], b.genuine[b.begin:b.end])
		head = patched
	}
	return b.Verifier.Open(head)
}
