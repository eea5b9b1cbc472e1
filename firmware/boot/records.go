package boot

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/flash"
)

// ErrCorrupt reports a flash whose boot records are lost, or whose firmware is not
// what was installed. Nothing was changed.
var ErrCorrupt = errors.New("the bootloader's flash is corrupt")

// records are the first two blocks of the region, each with a copy of the record.
// The copy in force is never the one that is written.
type records struct {
	flash   flash.Device
	current Record
}

const recordBlocks = 2

// openRecords reads the record in force. A region without any is one of a new
// device, unless there was a second record once: then both are lost.
func openRecords(f flash.Device, fresh Record) (*records, error) {
	r := &records{flash: f, current: fresh}
	found, blank := false, false
	for i := range recordBlocks {
		b := make([]byte, RecordSize)
		err := f.Read(r.addr(i), b)
		if isDamage(err) {
			clear(b) // it is no record
		} else if err != nil {
			return nil, fmt.Errorf("boot: read record %d: %w", i, err)
		}
		record, err := DecodeRecord(b)
		if err == nil && (!found || record.Sequence > r.current.Sequence) {
			r.current, found = record, true
		}
		blank = flash.IsErased(b) // of the last copy
	}
	if !found && !blank {
		return nil, fmt.Errorf("boot: neither of the two boot records can be read: %w", ErrCorrupt)
	}
	return r, nil
}

// save makes next the record in force, durably. After an error it is not known
// which one is.
func (r *records) save(next Record) error {
	next.Sequence = r.current.Sequence + 1
	i := int(next.Sequence+1) % recordBlocks // the first record goes into the first block
	if err := r.flash.Erase(i); err != nil {
		return fmt.Errorf("boot: record: %w", err)
	}
	if err := flash.ProgramChecked(r.flash, r.addr(i), next.Encode()); err != nil {
		return fmt.Errorf("boot: record: %w", err)
	}
	if err := r.flash.Sync(); err != nil {
		return fmt.Errorf("boot: record: %w", err)
	}
	r.current = next
	return nil
}

func (r *records) addr(i int) int64 { return int64(i) * int64(r.flash.Geometry().BlockSize()) }
