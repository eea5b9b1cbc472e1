// Package spelling finds the word that was meant by one that does not exist, for the
// messages of everything that reads what people write.
package spelling

import (
	"fmt"
	"math"
)

// Hint asks about the word that text is likely to mean: did you mean "stall"? It is
// empty if text is too far from every word.
func Hint(text string, words []string) string {
	if near := nearest(text, words); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// nearest returns the word that text is likely to mean, if there is one.
func nearest(text string, words []string) string {
	best, found := 3, "" // more mistakes than that are another word
	for _, w := range words {
		if d := distance(text, w); d < best && d < len(w) {
			best, found = d, w
		}
	}
	return found
}

// maxWord bounds the words that are compared, in bytes.
const maxWord = 32

// distance counts the letters to change, insert or remove to make b of a.
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return math.MaxInt
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
