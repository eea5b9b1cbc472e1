package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

// roomy is a chip for 10,000 objects of 2 KB.
var roomy = flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 8192}

func benchmarkCommit(b *testing.B, chip flash.Device) {
	s := mustOpen(b, chip)
	value := make([]byte, 64)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var batch store.Batch
		batch.Put(fmt.Sprintf("key/%03d", i%1000), value)
		if err := s.Commit(&batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommitMemory(b *testing.B) { benchmarkCommit(b, blankChip(b, flash.DefaultGeometry())) }

func BenchmarkCommitFile(b *testing.B) {
	chip, err := flash.OpenFile(filepath.Join(b.TempDir(), "flash"), flash.DefaultGeometry())
	if err != nil {
		b.Fatal(err)
	}
	defer chip.Close()
	benchmarkCommit(b, chip)
}

// BenchmarkSyncFile is what a commit to a file cannot be faster than.
func BenchmarkSyncFile(b *testing.B) {
	chip, err := flash.OpenFile(filepath.Join(b.TempDir(), "flash"), flash.DefaultGeometry())
	if err != nil {
		b.Fatal(err)
	}
	defer chip.Close()
	page := make([]byte, 128)
	for i := int64(0); b.Loop(); i++ {
		if i%32 == 0 {
			if err := chip.Erase(int(i / 32 % 2048)); err != nil {
				b.Fatal(err)
			}
		}
		if err := chip.Program(i*128%chip.Geometry().Size(), page); err != nil {
			b.Fatal(err)
		}
		if err := chip.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateFile(b *testing.B) {
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		chip, err := flash.OpenFile(filepath.Join(dir, fmt.Sprint(i)), flash.DefaultGeometry())
		if err != nil {
			b.Fatal(err)
		}
		mustOpen(b, chip)
		chip.Close()
	}
}

// tenThousand fills a chip with 10,000 objects of 2 KB.
func tenThousand(b *testing.B, chip flash.Device) *store.Store {
	s := mustOpen(b, chip)
	for i := 0; i < 10000; i += 20 {
		var batch store.Batch
		for j := range 20 {
			batch.Put(objectKey(i+j), make([]byte, 2000))
		}
		if err := s.Commit(&batch); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func objectKey(i int) string { return fmt.Sprintf("partition/1/object/%08d", i) }

func BenchmarkOpen10000(b *testing.B) {
	chip := blankChip(b, roomy)
	tenThousand(b, chip)
	for b.Loop() {
		mustOpen(b, chip)
	}
}

func BenchmarkOpenFile10000(b *testing.B) {
	path := filepath.Join(b.TempDir(), "flash")
	chip, err := flash.OpenFile(path, roomy)
	if err != nil {
		b.Fatal(err)
	}
	tenThousand(b, chip)
	chip.Close()
	for b.Loop() {
		chip, err := flash.OpenFile(path, roomy)
		if err != nil {
			b.Fatal(err)
		}
		mustOpen(b, chip)
		chip.Close()
	}
}

func BenchmarkGetParallel(b *testing.B) {
	s := tenThousand(b, blankChip(b, roomy))
	keys := make([]string, 10000)
	for i := range keys {
		keys[i] = objectKey(i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i += 7 {
			if _, ok := s.Get(keys[i%len(keys)]); !ok {
				b.Error("not found")
			}
		}
	})
}
