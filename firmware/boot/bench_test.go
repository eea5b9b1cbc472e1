package boot_test

import (
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// BenchmarkUpload takes the chunks of an image of 1 MiB, in memory.
func BenchmarkUpload(b *testing.B) {
	update, err := boottest.New(boottest.Image(v793, 2, 1<<20, 1))
	if err != nil {
		b.Fatal(err)
	}
	g := flash.DefaultGeometry()
	g.Blocks /= 2
	b.SetBytes(int64(len(update.Chunks) * fuf.ChunkSize))
	for b.Loop() {
		b.StopTimer()
		chip, err := flash.NewMemory(g)
		if err != nil {
			b.Fatal(err)
		}
		loader := on(b, chip)
		if err := loader.Begin(update.Head, boottest.Code, facts()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for i, chunk := range update.Chunks {
			if err := loader.Chunks(i, chunk); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkPowerOn verifies and decodes an image of 1 MiB.
func BenchmarkPowerOn(b *testing.B) {
	update, err := boottest.New(boottest.Image(v793, 2, 1<<20, 1))
	if err != nil {
		b.Fatal(err)
	}
	g := flash.DefaultGeometry()
	g.Blocks /= 2
	chip, err := flash.NewMemory(g)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := update.Install(func() (*boot.Boot, error) { return boot.Open(chip, boottest.Config()) }); err != nil {
		b.Fatal(err)
	}
	config := boottest.Config()
	for b.Loop() {
		if _, err := boot.Open(chip, config); err != nil {
			b.Fatal(err)
		}
	}
}
