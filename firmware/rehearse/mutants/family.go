package mutants

import (
	"fmt"
	"iter"

	"usbhsm7/fuf"
	"usbhsm7/fuf/fuftest"
)

// partSize is how many bytes of the file one part of the work is about.
const partSize = 2048

// families divides the mutants of a file. The first family is that of bit flips.
func families(o Options) ([]family, error) {
	file := o.Subject.File
	head, err := fuf.HeadSize(file)
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	all := []family{
		{name: "bits flipped"},
		{name: "cut off"},
		{"chunks exchanged, copied or left out", parts(fuftest.Exchanges(file))},
		{"something added", parts(fuftest.Additions(file))},
	}
	every := max(1, o.Every)
	for begin := 0; begin < len(file); begin += partSize {
		end := min(len(file), begin+partSize)
		of := every
		if begin < head {
			of = max(1, o.Head)
		}
		all[0].parts = append(all[0].parts, sample(fuftest.FlipsIn(file, begin, end), of))
		all[1].parts = append(all[1].parts, sample(cutsIn(file, begin, end), every))
	}
	if o.Other != nil {
		all = append(all, family{"mixed with another file", parts(fuftest.Mixtures(file, o.Other), fuftest.Mixtures(o.Other, file))})
	}
	return all, nil
}

func parts(list ...iter.Seq2[string, []byte]) []iter.Seq2[string, []byte] { return list }

// cutsIn yields the file cut off at every length from begin to before end.
func cutsIn(file []byte, begin, end int) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for n := begin; n < end; n++ {
			if !yield(fmt.Sprintf("cut:%d", n), file[:n:n]) {
				return
			}
		}
	}
}

// sample yields one in so many, the first one among them.
func sample(all iter.Seq2[string, []byte], every int) iter.Seq2[string, []byte] {
	if every == 1 {
		return all
	}
	return func(yield func(string, []byte) bool) {
		n := -1
		for name, mutant := range all {
			if n++; n%every == 0 && !yield(name, mutant) {
				return
			}
		}
	}
}
