package fuftest

import (
	"fmt"
	"iter"
	"slices"

	"usbhsm7/fuf"
)

// Mutants yields every mutant of a file with its name: BitFlips, Truncations,
// Exchanges and Additions. A mutant may be used until the next one is asked for,
// and must not be changed.
func Mutants(file []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, family := range []func([]byte) iter.Seq2[string, []byte]{BitFlips, Truncations, Exchanges, Additions} {
			for name, mutant := range family(file) {
				if !yield(name, mutant) {
					return
				}
			}
		}
	}
}

// BitFlips yields the file with each of its bits changed in turn: flip:BYTE.BIT.
func BitFlips(file []byte) iter.Seq2[string, []byte] { return FlipsIn(file, 0, len(file)) }

// FlipsIn is BitFlips for the bytes from begin to before end: work for one of
// several goroutines.
func FlipsIn(file []byte, begin, end int) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		mutant := slices.Clone(file)
		for i := begin; i < end; i++ {
			for bit := range 8 {
				mutant[i] ^= 1 << bit
				if !yield(fmt.Sprintf("flip:%d.%d", i, bit), mutant) {
					return
				}
				mutant[i] ^= 1 << bit
			}
		}
	}
}

// Truncations yields the file cut off at every length that is too short:
// cut:LENGTH.
func Truncations(file []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for n := range file {
			if !yield(fmt.Sprintf("cut:%d", n), file[:n:n]) {
				return
			}
		}
	}
}

// Exchanges yields the file with two chunks in each other's place (swap:I,J), with
// a chunk in the place of another (copy:I,J), and with a chunk left out (drop:I).
// It yields nothing where that changes nothing.
func Exchanges(file []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		head, err := fuf.HeadSize(file)
		if err != nil || head > len(file) {
			return
		}
		chunks := slices.Collect(slices.Chunk(file[head:], fuf.ChunkSize+fuf.Overhead))
		offer := func(name string, parts [][]byte) bool {
			mutant := slices.Concat(append([][]byte{file[:head]}, parts...)...)
			return slices.Equal(mutant, file) || yield(name, mutant)
		}
		for i := range chunks {
			if !offer(fmt.Sprintf("drop:%d", i), slices.Delete(slices.Clone(chunks), i, i+1)) {
				return
			}
			for j := range chunks {
				swapped, copied := slices.Clone(chunks), slices.Clone(chunks)
				swapped[i], swapped[j] = chunks[j], chunks[i]
				copied[i] = chunks[j]
				if i < j && !offer(fmt.Sprintf("swap:%d,%d", i, j), swapped) || !offer(fmt.Sprintf("copy:%d,%d", i, j), copied) {
					return
				}
			}
		}
	}
}

// Additions yields the file with something after its end: a byte, an erased page,
// itself.
func Additions(file []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, addition := range []struct {
			name string
			tail []byte
		}{
			{"add:zero", []byte{0}},
			{"add:line", []byte("\n")},
			{"add:page", slices.Repeat([]byte{0xFF}, 256)},
			{"add:self", file},
		} {
			if !yield(addition.name, slices.Concat(file, addition.tail)) {
				return
			}
		}
	}
}

// Mixtures yields files that are made of parts of two valid ones: the head of one
// with the chunks of the other, and each chunk of one within the other. What is
// the same in both is left out.
func Mixtures(a, b []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		headA, errA := fuf.HeadSize(a)
		headB, errB := fuf.HeadSize(b)
		if errA != nil || errB != nil || headA > len(a) || headB > len(b) {
			return
		}
		offer := func(name string, mutant []byte) bool {
			return slices.Equal(mutant, a) || slices.Equal(mutant, b) || yield(name, mutant)
		}
		if !offer("mix:head", slices.Concat(a[:headA], b[headB:])) {
			return
		}
		const size = fuf.ChunkSize + fuf.Overhead
		for at := 0; headA+at < len(a) && headB+at < len(b); at += size {
			mutant := slices.Clone(a)
			copy(mutant[headA+at:], b[headB+at:min(len(b), headB+at+size)])
			if !offer(fmt.Sprintf("mix:%d", at/size), mutant) {
				return
			}
		}
	}
}
