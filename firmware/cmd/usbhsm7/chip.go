package main

import (
	"fmt"
	"path/filepath"

	"usbhsm7/firmware/flash"
)

// chip is where the device's flash is kept while the device is off.
type chip interface {
	// open returns the flash for a device that is switched on.
	open() (flash.Chip, error)
	// replace puts another content in its place; nobody has it open.
	replace(*flash.Memory) error
}

// memoryChip keeps the flash in memory.
type memoryChip struct{ image *flash.Memory }

func newMemoryChip() (*memoryChip, error) {
	image, err := flash.NewMemory(flash.DefaultGeometry())
	return &memoryChip{image}, err
}

func (c *memoryChip) open() (flash.Chip, error) { return c.image, nil }

func (c *memoryChip) replace(image *flash.Memory) error {
	c.image = image
	return nil
}

// fileChip keeps the flash in a file.
type fileChip struct{ path string }

func newFileChip(directory string) *fileChip {
	return &fileChip{filepath.Join(directory, "flash.bin")}
}

func (c *fileChip) open() (flash.Chip, error) {
	return flash.OpenFile(c.path, flash.DefaultGeometry())
}

func (c *fileChip) replace(image *flash.Memory) error {
	if err := replaceFile(c.path, image); err != nil {
		return fmt.Errorf("restore the flash: %w", err)
	}
	return nil
}
