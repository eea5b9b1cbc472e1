package fm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

var errCut = errors.New("it ends too early")

// reader is what is left to read of a module. Its terms are those of the WebAssembly
// Core Specification 2.0, chapter 5.
type reader []byte

func (r *reader) byte() (byte, error) {
	if len(*r) == 0 {
		return 0, errCut
	}
	b := (*r)[0]
	*r = (*r)[1:]
	return b, nil
}

// number reads an unsigned LEB128 number of 32 bits.
func (r *reader) number() (uint32, error) {
	v, n := binary.Uvarint(*r)
	if n <= 0 || n > 5 || v > math.MaxUint32 {
		return 0, errCut
	}
	*r = (*r)[n:]
	return uint32(v), nil
}

// part reads as many bytes as a number before them says: a section, a name, the code
// of a function.
func (r *reader) part() (reader, error) {
	n, err := r.number()
	if err != nil {
		return nil, err
	}
	if uint64(n) > uint64(len(*r)) {
		return nil, errCut
	}
	part := (*r)[:n]
	*r = (*r)[n:]
	return part, nil
}

// each reads as many elements as a number before them says.
func (r *reader) each(most uint32, what string, element func(*reader) error) error {
	n, err := r.number()
	if err != nil {
		return err
	}
	if n > most {
		return fmt.Errorf("%d %s, more than %d", n, what, most)
	}
	for range n {
		if err := element(r); err != nil {
			return err
		}
	}
	return nil
}

// skip reads fields and forgets them.
func (r *reader) skip(fields ...func(*reader) error) error {
	for _, field := range fields {
		if err := field(r); err != nil {
			return err
		}
	}
	return nil
}

// The fields of a module.
func oneByte(r *reader) error   { _, err := r.byte(); return err }
func oneNumber(r *reader) error { _, err := r.number(); return err }
func onePart(r *reader) error   { _, err := r.part(); return err }
func exactly(want byte) func(*reader) error {
	return func(r *reader) error {
		if b, err := r.byte(); err != nil || b != want {
			return fmt.Errorf("%#02x where %#02x must be: %w", b, want, errStrange)
		}
		return nil
	}
}

var errStrange = errors.New("something that modules here do not have")

// offset reads the place of data: an expression that is a constant or a global.
func offset(r *reader) error {
	op, err := r.byte()
	if err != nil {
		return err
	}
	switch op {
	case 0x41: // i32.const, of at most 5 bytes
		for range 5 {
			if b, err := r.byte(); err != nil || b < 0x80 {
				break
			}
		}
	case 0x23: // global.get
		if err := oneNumber(r); err != nil {
			return err
		}
	default:
		return fmt.Errorf("a place of data that is computed: %w", errStrange)
	}
	return exactly(0x0b)(r)
}
