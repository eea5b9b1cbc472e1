package fuf

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
)

// File is a whole file on a host, its head verified.
type File struct {
	*Update
	content io.ReaderAt
}

// OpenFile verifies the head of the file of size bytes that content holds, as
// Open does.
func OpenFile(content io.ReaderAt, size int64, trust Trust) (*File, error) {
	head := make([]byte, min(PreambleSize, max(size, 0)))
	if _, err := content.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the update file: %w", err)
	}
	p, err := parsePreamble(head)
	if err != nil {
		return nil, err
	}
	if size != int64(p.total) {
		return nil, fmt.Errorf("%w: %d bytes, not %d", ErrLength, size, p.total)
	}
	head = make([]byte, p.head())
	if _, err := content.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read the update file: %w", err)
	}
	update, err := Open(head, trust)
	if err != nil {
		return nil, err
	}
	return &File{update, content}, nil
}

// OpenBytes is OpenFile for a file in memory.
func OpenBytes(file []byte, trust Trust) (*File, error) {
	return OpenFile(bytes.NewReader(file), int64(len(file)), trust)
}

// Chunk reads chunk i into buffer, which may be nil, and verifies it.
func (f *File) Chunk(i int, buffer []byte) ([]byte, error) {
	if i < 0 || i >= f.Chunks() {
		return nil, fmt.Errorf("%w: there is no chunk %d of %d", ErrChunk, i, f.Chunks())
	}
	n := f.ChunkSize(i)
	if cap(buffer) < n {
		buffer = make([]byte, ChunkSize+Overhead)
	}
	chunk := buffer[:n]
	if _, err := f.content.ReadAt(chunk, int64(f.HeadSize())+int64(i)*(ChunkSize+Overhead)); err != nil {
		return nil, fmt.Errorf("read chunk %d of the update file: %w", i, err)
	}
	return chunk, f.VerifyChunk(i, chunk)
}

// Verify verifies every chunk. After each it calls progress, unless that is nil,
// with the number of chunks done.
func (f *File) Verify(progress func(done int)) error {
	buffer := make([]byte, ChunkSize+Overhead)
	for i := range f.Chunks() {
		if _, err := f.Chunk(i, buffer); err != nil {
			return err
		}
		if progress != nil {
			progress(i + 1)
		}
	}
	return nil
}

// Payload writes the payload to w and verifies it: chunk by chunk before it is
// written, and the whole at the end, so that w has seen nothing right until
// Payload returns nil.
func (f *File) Payload(w io.Writer, key *Key) error {
	whole := sha256.New()
	out := io.MultiWriter(whole, w)
	buffer, plain := make([]byte, ChunkSize+Overhead), make([]byte, 0, ChunkSize)
	defer clear(plain[:cap(plain)])
	for i := range f.Chunks() {
		chunk, err := f.Chunk(i, buffer)
		if err != nil {
			return err
		}
		if plain, err = key.Decrypt(plain[:0], i, chunk); err != nil {
			return err
		}
		if _, err := out.Write(plain); err != nil {
			return fmt.Errorf("write the payload: %w", err)
		}
	}
	if f.manifest.Release.Digest != Digest(whole.Sum(nil)) {
		return ErrPayload
	}
	return nil
}
