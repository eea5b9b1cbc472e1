package share

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Products that FIPS 197, section 4.2, works out.
func TestProductsAreThoseOfTheStandard(t *testing.T) {
	for _, test := range []struct{ a, b, want byte }{
		{0x57, 0x83, 0xc1},
		{0x57, 0x02, 0xae},
		{0x57, 0x04, 0x47},
		{0x57, 0x08, 0x8e},
		{0x57, 0x10, 0x07},
		{0x57, 0x13, 0xfe},
	} {
		if got := mul(test.a, test.b); got != test.want {
			t.Errorf("%02x times %02x is %02x, want %02x", test.a, test.b, got, test.want)
		}
	}
}

// The S-box of AES is the inverse followed by an affine map (FIPS 197, section
// 5.1.1), so its published table holds every inverse.
func TestInversesAreThoseInTheSBoxOfAES(t *testing.T) {
	for a, want := range sBox(t) {
		b := inverse(byte(a))
		mapped := byte(0x63)
		for shift := range 5 {
			mapped ^= b<<shift | b>>(8-shift)
		}
		if mapped != want {
			t.Errorf("the S-box maps %02x to %02x, the inverse %02x gives %02x", a, want, b, mapped)
		}
	}
}

// sBox reads the table of FIPS 197, figure 7: sixteen rows of sixteen bytes.
func sBox(t *testing.T) []byte {
	t.Helper()
	file, err := os.Open("testdata/fips197-sbox.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var table []byte
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			row, err := hex.DecodeString(strings.ReplaceAll(line, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			table = append(table, row...)
		}
	}
	if len(table) != 256 {
		t.Fatalf("the table has %d bytes, want 256", len(table))
	}
	return table
}

func TestTheFieldIsOne(t *testing.T) {
	element := rapid.Byte()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := element.Draw(t, "a"), element.Draw(t, "b"), element.Draw(t, "c")
		if mul(a, b) != mul(b, a) {
			t.Error("the order of a product matters")
		}
		if mul(a, mul(b, c)) != mul(mul(a, b), c) {
			t.Error("the grouping of a product matters")
		}
		if mul(a, b^c) != mul(a, b)^mul(a, c) {
			t.Error("a product does not distribute over a sum")
		}
		if a != 0 && mul(a, inverse(a)) != 1 {
			t.Errorf("%02x times its inverse is %02x", a, mul(a, inverse(a)))
		}
	})
}
