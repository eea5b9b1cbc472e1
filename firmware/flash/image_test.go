package flash_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"usbhsm7/firmware/flash"
)

// written is a small chip with something on it.
func written(t *testing.T) *flash.Memory {
	t.Helper()
	m, err := flash.NewMemory(flash.Geometry{PageSize: 16, PagesPerBlock: 4, Blocks: 8})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Erase(3), m.Program(70, []byte("content")), m.Erase(5)); err != nil {
		t.Fatal(err)
	}
	return m
}

func onChip(t *testing.T, d flash.Device) []byte {
	t.Helper()
	p := make([]byte, d.Geometry().Size())
	if err := d.Read(0, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestImageIsTheFileOfTheChip(t *testing.T) {
	m := written(t)
	var image bytes.Buffer
	n, err := m.WriteTo(&image)
	if err != nil || n != int64(image.Len()) {
		t.Fatalf("%d of %d bytes, %v", n, image.Len(), err)
	}
	path := filepath.Join(t.TempDir(), "flash.bin")
	if err := os.WriteFile(path, image.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := flash.OpenFile(path, m.Geometry())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	back, err := flash.ReadImage(bytes.NewReader(image.Bytes()), m.Geometry())
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]interface {
		flash.Device
		Wear(int) uint32
	}{"file": file, "memory": back} {
		if !bytes.Equal(onChip(t, got), onChip(t, m)) || got.Wear(3) != m.Wear(3) || got.Wear(4) != 0 {
			t.Errorf("the %s differs from the chip", name)
		}
	}
}

func TestDamagedImagesAreRefused(t *testing.T) {
	m := written(t)
	var image bytes.Buffer
	if _, err := m.WriteTo(&image); err != nil {
		t.Fatal(err)
	}
	whole := image.Bytes()
	for name, bad := range map[string][]byte{
		"empty":          {},
		"header only":    whole[:28],
		"cut short":      whole[:len(whole)-1],
		"too long":       append(bytes.Clone(whole), 0),
		"another magic":  append([]byte("X"), whole[1:]...),
		"another header": append(append(bytes.Clone(whole[:12]), 1), whole[13:]...),
	} {
		if _, err := flash.ReadImage(bytes.NewReader(bad), m.Geometry()); !errors.Is(err, flash.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSnapshotsAreMadeBetweenOperations(t *testing.T) {
	m := written(t)
	guard := flash.NewGuard(m)
	ended := make(chan error)
	go func() {
		for range 1000 {
			if err := errors.Join(guard.Erase(0), guard.Program(0, bytes.Repeat([]byte{0}, 64))); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	for range 200 {
		block := onChip(t, guard.Snapshot())[:64]
		if n := bytes.Count(block, []byte{0}); n != 0 && n != 64 {
			t.Fatalf("%d bytes of 64 are programmed", n)
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
