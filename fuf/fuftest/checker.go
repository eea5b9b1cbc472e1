package fuftest

import (
	"bytes"

	"usbhsm7/fuf"
)

// Checker verifies many files that resemble each other. It remembers the last head
// and the last chunks that it accepted and does not verify equal ones again;
// verifying is a pure function, so that this changes no verdict. Several goroutines
// need one each.
type Checker struct {
	trust  fuf.Trust
	update *fuf.Update
	head   []byte
	chunks []byte
}

// NewChecker returns a checker that trusts whom trust does.
func NewChecker(trust fuf.Trust) *Checker { return &Checker{trust: trust} }

// Verify returns what fuf.OpenBytes and File.Verify return: nil for a file of
// which every byte is right.
func (c *Checker) Verify(file []byte) error {
	if c.update == nil || !bytes.HasPrefix(file, c.head) {
		opened, err := fuf.OpenBytes(file, c.trust)
		if err != nil {
			return err
		}
		c.update, c.head, c.chunks = opened.Update, bytes.Clone(file[:opened.HeadSize()]), nil
	}
	if len(file) != c.update.Size() {
		return fuf.ErrLength
	}
	chunks := file[len(c.head):]
	for i := range c.update.Chunks() {
		begin := i * (fuf.ChunkSize + fuf.Overhead)
		end := begin + c.update.ChunkSize(i)
		if c.chunks != nil && bytes.Equal(chunks[begin:end], c.chunks[begin:end]) {
			continue
		}
		if err := c.update.VerifyChunk(i, chunks[begin:end]); err != nil {
			return err
		}
	}
	if c.chunks == nil {
		c.chunks = bytes.Clone(chunks)
	}
	return nil
}
