package flash

import (
	"bufio"
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The layout of the file; integers are little-endian.
//
//	0      magic "HSM7NOR\x00"
//	8      u32 version
//	12     u32 page size, 16 u32 pages per block, 20 u32 blocks
//	24     u32 check: CRC-32C of bytes 0..23
//	4096   u32 wear of each block
//	then   the blocks, from the next multiple of 4,096 on, every bit inverted
//
// Bits are inverted so that a hole in a sparse file is erased flash.
const (
	fileMagic   = "HSM7NOR\x00"
	fileVersion = 1
	headerSize  = 28
	fileAlign   = 4096 // what hosts write in one piece
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// File is a chip whose content is in a file of the host. Operations reach the
// file at once and the disk at the next Sync; a copy in memory serves reads.
type File struct {
	*Memory
	file    *os.File
	scratch []byte // one write, inverted
}

// OpenFile opens the chip in the named file, or makes an erased one if there
// is no such file. The caller sees to it that nobody else has it open. A file
// that is not a chip of this geometry gives ErrCorrupt and is left as it is.
func OpenFile(path string, g Geometry) (*File, error) {
	mem, err := NewMemory(g)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		file, err = create(path, g)
	}
	if err != nil {
		return nil, fmt.Errorf("flash: open: %w", err)
	}
	f := &File{Memory: mem, file: file}
	if fresh {
		return f, nil
	}
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("flash: %s: %w", path, errors.Join(err, file.Close()))
	}
	return f, nil
}

// Program clears the bits at addr that are clear in p.
func (f *File) Program(addr int64, p []byte) error {
	if err := f.checkProgram(addr, p); err != nil {
		return err
	}
	if err := f.write(addr, p); err != nil {
		return err
	}
	return f.Memory.Program(addr, p)
}

// Erase sets every bit of a block.
func (f *File) Erase(block int) error {
	if err := f.geometry.checkBlock(block); err != nil {
		return err
	}
	size := f.geometry.BlockSize()
	erased := make([]byte, size)
	fill(erased, Erased)
	if err := f.write(int64(block)*int64(size), erased); err != nil {
		return err
	}
	wear := binary.LittleEndian.AppendUint32(nil, f.Wear(block)+1)
	if _, err := f.file.WriteAt(wear, fileAlign+4*int64(block)); err != nil {
		return fmt.Errorf("flash: wear of block %d: %w", block, hostError(err))
	}
	return f.Memory.Erase(block)
}

// Sync returns when the disk has everything done so far.
func (f *File) Sync() error {
	if err := syncData(f.file); err != nil {
		return fmt.Errorf("flash: sync: %w", hostError(err))
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// write puts p into the file at a chip address.
func (f *File) write(addr int64, p []byte) error {
	f.scratch = append(f.scratch[:0], p...)
	invert(f.scratch)
	if _, err := f.file.WriteAt(f.scratch, dataStart(f.geometry)+addr); err != nil {
		return fmt.Errorf("flash: write %d bytes at %#x: %w", len(p), addr, hostError(err))
	}
	return nil
}

// hostError says of a disk that is full that it is that of the host: the host of the
// device reads "no space left on device" as if that were meant.
func hostError(err error) error {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) {
			return fmt.Errorf("the disk under the simulator's flash has no room: %w", err)
		}
	}
	return err
}

// load checks the file and reads it into memory.
func (f *File) load() error {
	g := f.geometry
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	header := make([]byte, headerSize)
	if info.Size() < headerSize {
		return fmt.Errorf("only %d bytes: %w", info.Size(), ErrCorrupt)
	}
	if _, err := f.file.ReadAt(header, 0); err != nil {
		return err
	}
	if err := checkHeader(header, g); err != nil {
		return err
	}
	if want := dataStart(g) + g.Size(); info.Size() != want {
		return fmt.Errorf("%d bytes, should be %d: %w", info.Size(), want, ErrCorrupt)
	}
	return f.loadBlocks()
}

func (f *File) loadBlocks() error {
	wear := make([]byte, 4*f.geometry.Blocks)
	if _, err := f.file.ReadAt(wear, fileAlign); err != nil {
		return err
	}
	image := io.NewSectionReader(f.file, dataStart(f.geometry), f.geometry.Size())
	return f.fillFrom(wear, image)
}

// fillFrom gives an erased chip what a file holds: the wear and the inverted
// blocks.
func (m *Memory) fillFrom(wear []byte, image io.Reader) error {
	size := m.geometry.BlockSize()
	in := bufio.NewReaderSize(image, 256<<10)
	part, zeros := make([]byte, size), make([]byte, size)
	for i := range m.geometry.Blocks {
		if _, err := io.ReadFull(in, part); err != nil {
			return err
		}
		if n := binary.LittleEndian.Uint32(wear[4*i:]); n > 0 {
			m.ownGroup(i).wear[i%groupBlocks] = n
		}
		if bytes.Equal(part, zeros) {
			continue // erased
		}
		b := m.own(i)
		copy(b.bytes, part)
		invert(b.bytes)
	}
	return nil
}

// create makes the file in one step: a crash leaves all of it or nothing.
func create(path string, g Geometry) (*os.File, error) {
	draft := path + ".new"
	file, err := os.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(writeBlank(file, g), file.Close()); err != nil {
		return nil, hostError(err)
	}
	if err := os.Rename(draft, path); err != nil {
		return nil, err
	}
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR, 0) // by its name, which errors tell
}

// writeBlank makes an empty file an erased chip.
func writeBlank(file *os.File, g Geometry) error {
	if err := file.Truncate(dataStart(g) + g.Size()); err != nil {
		return err
	}
	if _, err := file.WriteAt(appendHeader(nil, g), 0); err != nil {
		return err
	}
	return file.Sync()
}

func appendHeader(b []byte, g Geometry) []byte {
	le := binary.LittleEndian
	b = append(b, fileMagic...)
	for _, v := range []int{fileVersion, g.PageSize, g.PagesPerBlock, g.Blocks} {
		b = le.AppendUint32(b, uint32(v))
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// checkHeader compares a header with the one that this geometry has.
func checkHeader(header []byte, g Geometry) error {
	want := appendHeader(nil, g)
	le := binary.LittleEndian
	switch {
	case string(header[:8]) != fileMagic:
		return fmt.Errorf("not a flash image: %w", ErrCorrupt)
	case le.Uint32(header[24:]) != crc32.Checksum(header[:24], castagnoli):
		return fmt.Errorf("header check does not match: %w", ErrCorrupt)
	case le.Uint32(header[8:]) != fileVersion:
		return fmt.Errorf("version %d, this is %d: %w", le.Uint32(header[8:]), fileVersion, ErrCorrupt)
	case string(header) != string(want):
		return fmt.Errorf("made for another geometry than %v: %w", g, ErrCorrupt)
	}
	return nil
}

// dataStart returns where the blocks begin in the file.
func dataStart(g Geometry) int64 {
	wear := 4 * int64(g.Blocks)
	return fileAlign + (wear+fileAlign-1)/fileAlign*fileAlign
}

// invert flips every bit of p.
func invert(p []byte) {
	var ones [fileAlign]byte
	fill(ones[:], 0xFF)
	for len(p) > 0 {
		n := subtle.XORBytes(p, p, ones[:])
		p = p[n:]
	}
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
