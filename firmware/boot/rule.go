package boot

import (
	"fmt"
	"slices"
	"unicode"
)

// Limits of a payload.
const (
	maxName = 64  // bytes of a name
	maxNote = 256 // bytes of a note
	maxList = 512 // elements of a list
)

// rule is something that must hold of a payload.
type rule struct {
	ok   bool
	must string // what must be, for people
}

// check reports the first rule of a payload that does not hold. The error carries
// ErrImage.
func check(p payload) error {
	for _, r := range p.rules() {
		if !r.ok {
			return fmt.Errorf("%w: %s", ErrImage, r.must)
		}
	}
	return nil
}

// ascending holds if list is sorted, names nothing twice and is not too long.
func ascending[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return len(list) <= maxList
}

func every[T any](list []T, ok func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !ok(v) })
}

func isName(s string) bool {
	return s != "" && len(s) <= maxName && !slices.ContainsFunc([]rune(s), func(c rune) bool { return !unicode.IsPrint(c) })
}
