package flash

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// WriteTo writes the chip in the layout of the file that OpenFile opens, about
// 16 MiB for the default geometry. It implements io.WriterTo.
func (m *Memory) WriteTo(w io.Writer) (int64, error) {
	g := m.geometry
	out := bufio.NewWriterSize(w, 64<<10)
	front := make([]byte, dataStart(g))
	copy(front, appendHeader(nil, g))
	for i := range g.Blocks {
		binary.LittleEndian.PutUint32(front[fileAlign+4*i:], m.Wear(i))
	}
	written, err := out.Write(front)
	total := int64(written)
	part := make([]byte, g.BlockSize())
	for i := 0; i < g.Blocks && err == nil; i++ {
		clear(part)
		if b := m.block(i); b != nil {
			copy(part, b.bytes)
			invert(part)
		}
		written, err = out.Write(part)
		total += int64(written)
	}
	if err == nil {
		err = out.Flush()
	}
	return total, err
}

// ReadImage reads what WriteTo has written, to its end. What is no chip of this
// geometry gives ErrCorrupt.
func ReadImage(r io.Reader, g Geometry) (*Memory, error) {
	m, err := NewMemory(g)
	if err != nil {
		return nil, err
	}
	front := make([]byte, dataStart(g))
	if _, err := io.ReadFull(r, front); err != nil {
		return nil, cutShort(err)
	}
	if err := checkHeader(front[:headerSize], g); err != nil {
		return nil, err
	}
	if err := m.fillFrom(front[fileAlign:], io.LimitReader(r, g.Size())); err != nil {
		return nil, cutShort(err)
	}
	if n, _ := io.ReadFull(r, make([]byte, 1)); n > 0 {
		return nil, fmt.Errorf("flash: image is longer than its chip: %w", ErrCorrupt)
	}
	return m, nil
}

func cutShort(err error) error {
	return fmt.Errorf("flash: image ends early: %w: %w", ErrCorrupt, err)
}
