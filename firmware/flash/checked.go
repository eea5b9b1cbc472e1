package flash

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrNotTaken reports a chip that holds something else than was programmed: it is
// at the end of its life, or an address line has failed.
var ErrNotTaken = errors.New("the flash does not hold what was written to it")

// ProgramChecked programs a chip and reads it back: ErrNotTaken if it holds
// something else then.
func ProgramChecked(d Device, addr int64, p []byte) error {
	if err := d.Program(addr, p); err != nil {
		return err
	}
	back := make([]byte, len(p))
	if err := d.Read(addr, back); err != nil {
		return err
	}
	if !bytes.Equal(back, p) {
		return fmt.Errorf("flash: %d bytes at %#x: %w", len(p), addr, ErrNotTaken)
	}
	return nil
}
