package boot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"usbhsm7/fuf"
)

// RecordSize is the size of an encoded record, bytes. It fits a page of every chip
// that the bootloader takes, so that it is programmed at once.
const RecordSize = 192

const (
	recordMagic   = "HSM7BOOT"
	recordVersion = 1
	recordCheck   = RecordSize - 4
)

// Place is where an image is.
type Place uint8

// Places that are not a slot. Slots are numbered from 0.
const (
	Slots         = 3
	ROM     Place = 0xFE // the factory image, in read-only memory
	Nowhere Place = 0xFF
)

func (p Place) isSlot() bool { return p < Slots }

// String returns "slot 0", "ROM" or "nowhere".
func (p Place) String() string {
	switch p {
	case ROM:
		return "ROM"
	case Nowhere:
		return "nowhere"
	}
	return fmt.Sprintf("slot %d", uint8(p))
}

// Record is everything that the bootloader must not forget. Two copies are written
// in turn: at any moment one of them is intact.
//
// The layout in bytes, integers little-endian:
//
//	0    magic "HSM7BOOT"
//	8    u32 version, 1
//	12   u64 sequence number; the higher of two counts
//	20   u8 state, u8 outcome of the last change, u8 boots left of a trial
//	23   u8 place of the running image, of the one before it, and of the one to come
//	26   u16 zero
//	28   u32 security version, u32 floor
//	36   for each slot: u32 size of the head, 32 bytes ID of the update
//	144  three u16: version of the running firmware, u16 zero, u32 its data schema
//	156  zero
//	188  u32 check: CRC-32C of bytes 0 to 187
type Record struct {
	Sequence uint64
	State    State
	Last     Outcome
	Trials   uint8  // power-ons that a firmware on trial still has to be confirmed
	Running  Place  // the confirmed firmware: ROM or a slot
	Previous Place  // the one before it, to go back to
	Incoming Place  // a slot, unless idle or rolling back
	Security uint32 // highest security version that was ever confirmed
	Floor    uint32 // lowest one that an operator still allows
	Slots    [Slots]Slot

	Version    fuf.Version // of the confirmed firmware, which may have decayed
	DataSchema uint32      // that it left
}

// Slot says what is in a slot.
type Slot struct {
	Head uint32     // bytes of the head of the file; 0 = nothing
	ID   fuf.Digest // of the update
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrRecord reports bytes that are no record.
var ErrRecord = errors.New("no boot record")

// Encode returns the record as it is on the flash.
func (r *Record) Encode() []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, RecordSize), recordMagic...)
	b = le.AppendUint32(b, recordVersion)
	b = le.AppendUint64(b, r.Sequence)
	b = append(b, byte(r.State), byte(r.Last), r.Trials, byte(r.Running), byte(r.Previous), byte(r.Incoming), 0, 0)
	b = le.AppendUint32(le.AppendUint32(b, r.Security), r.Floor)
	for _, s := range r.Slots {
		b = append(le.AppendUint32(b, s.Head), s.ID[:]...)
	}
	for _, part := range []uint16{r.Version.Major, r.Version.Minor, r.Version.Patch, 0} {
		b = le.AppendUint16(b, part)
	}
	b = le.AppendUint32(b, r.DataSchema)
	b = b[:recordCheck]
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// DecodeRecord reads a record. The error carries ErrRecord.
func DecodeRecord(b []byte) (r Record, err error) {
	le := binary.LittleEndian
	if len(b) != RecordSize || string(b[:8]) != recordMagic || le.Uint32(b[recordCheck:]) != crc32.Checksum(b[:recordCheck], castagnoli) {
		return r, ErrRecord
	}
	if v := le.Uint32(b[8:]); v != recordVersion {
		return r, fmt.Errorf("%w: version %d, this is %d", ErrRecord, v, recordVersion)
	}
	r = Record{
		Sequence: le.Uint64(b[12:]), State: State(b[20]), Last: Outcome(b[21]), Trials: b[22],
		Running: Place(b[23]), Previous: Place(b[24]), Incoming: Place(b[25]),
		Security: le.Uint32(b[28:]), Floor: le.Uint32(b[32:]),
	}
	for i := range r.Slots {
		part := b[36+36*i:]
		r.Slots[i] = Slot{le.Uint32(part), fuf.Digest(part[4:36])}
	}
	r.Version, r.DataSchema = fuf.V(le.Uint16(b[144:]), le.Uint16(b[146:]), le.Uint16(b[148:])), le.Uint32(b[152:])
	if err := r.check(); err != nil {
		return Record{}, err
	}
	if string(r.Encode()) != string(b) {
		return Record{}, fmt.Errorf("%w: bytes that must be zero", ErrRecord)
	}
	return r, nil
}

// check reports what no bootloader would write.
func (r *Record) check() error {
	busy := r.State == Receiving || r.State == Staged || r.State == Trial
	sound := r.State < states && r.Last < outcomes &&
		(r.Running == ROM || r.holds(r.Running)) &&
		(r.Previous == Nowhere || r.Previous == ROM || r.holds(r.Previous)) &&
		r.Previous != r.Running && (r.State != RollingBack || r.Previous != Nowhere) &&
		(busy && r.holds(r.Incoming) && r.Incoming != r.Running && r.Incoming != r.Previous || !busy && r.Incoming == Nowhere)
	if !sound {
		return fmt.Errorf("%w: it contradicts itself", ErrRecord)
	}
	return nil
}

// holds reports whether a place is a slot with something in it.
func (r *Record) holds(p Place) bool { return p.isSlot() && r.Slots[p].Head > 0 }

// free returns a slot that neither holds the running image nor the one before.
func (r *Record) free() Place {
	for p := Place(0); ; p++ {
		if p != r.Running && p != r.Previous {
			return p
		}
	}
}
