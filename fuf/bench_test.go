package fuf_test

import (
	"testing"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// BenchmarkOpen is what a device does before it takes the first chunk of 1 MiB.
func BenchmarkOpen(b *testing.B) {
	file := sample(b, 1<<20)
	n, err := fuf.HeadSize(file)
	if err != nil {
		b.Fatal(err)
	}
	trust := testkeys.Trust()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fuf.Open(file[:n], trust); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChunk is what it does with each chunk.
func BenchmarkChunk(b *testing.B) {
	f := open(b, sample(b, 1<<20), testkeys.Trust())
	key, err := f.Unlock(testkeys.Models(), code)
	if err != nil {
		b.Fatal(err)
	}
	chunk, err := f.Chunk(7, nil)
	if err != nil {
		b.Fatal(err)
	}
	plain := make([]byte, 0, fuf.ChunkSize)
	b.SetBytes(fuf.ChunkSize)
	b.ReportAllocs()
	for b.Loop() {
		if err := f.VerifyChunk(7, chunk); err != nil {
			b.Fatal(err)
		}
		if plain, err = key.Decrypt(plain[:0], 7, chunk); err != nil {
			b.Fatal(err)
		}
	}
}
