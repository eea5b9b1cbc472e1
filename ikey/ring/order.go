package ring

import (
	"cmp"
	"strings"
)

const digits = "0123456789"

// inOrder compares names as people do: numbers in them by their value. Names that
// differ in leading zeros alone are compared as text.
func inOrder(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		n, restX := number(x)
		m, restY := number(y)
		if n == "" || m == "" {
			n, restX, m, restY = x[:1], x[1:], y[:1], y[1:]
		}
		if order := cmp.Or(cmp.Compare(len(n), len(m)), strings.Compare(n, m)); order != 0 {
			return order
		}
		x, y = restX, restY
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

// number splits the number that s begins with off, without leading zeros: "0" of
// "000", "" if there is none.
func number(s string) (n, rest string) {
	rest = strings.TrimLeft(s, digits)
	n = s[:len(s)-len(rest)]
	if shorter := strings.TrimLeft(n, "0"); shorter != "" || n == "" {
		return shorter, rest
	}
	return "0", rest
}
