package fuftest

import (
	"bytes"

	"usbhsm7/fuf"
)

// Checker verifies many files that resemble each other. It remembers the last head
// that it accepted and does not verify an equal one again; verifying is a pure
// function, so that this changes no verdict. Several goroutines need one each.
type Checker struct {
	trust fuf.Trust
	head  []byte
	file  *fuf.Update
}

// NewChecker returns a checker that trusts whom trust does.
func NewChecker(trust fuf.Trust) *Checker { return &Checker{trust: trust} }

// Verify returns what fuf.OpenBytes and File.Verify return: nil for a file of
// which every byte is right.
func (c *Checker) Verify(file []byte) error {
	if c.file == nil || !bytes.HasPrefix(file, c.head) {
		opened, err := fuf.OpenBytes(file, c.trust)
		if err != nil {
			return err
		}
		c.file, c.head = opened.Update, bytes.Clone(file[:opened.HeadSize()])
	}
	if len(file) != c.file.Size() {
		return fuf.ErrLength
	}
	rest := file[c.file.HeadSize():]
	for i := range c.file.Chunks() {
		n := c.file.ChunkSize(i)
		if err := c.file.VerifyChunk(i, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}
