package share

// The field has 256 elements: polynomials over GF(2) modulo
// x^8 + x^4 + x^3 + x + 1 (FIPS 197, section 4.2). A sum is an exclusive or.

// reduction is the modulus without its highest term.
const reduction = 0x1b

// mul returns a times b.
func mul(a, b byte) byte {
	var product byte
	for range 8 {
		product ^= a & -(b & 1)
		a = a<<1 ^ reduction&-(a>>7)
		b >>= 1
	}
	return product
}

// inverse returns the element whose product with a is 1: a to the power of 254.
// Of 0, which has none, it returns 0.
func inverse(a byte) byte {
	power := byte(1)
	for range 7 {
		a = mul(a, a)
		power = mul(power, a)
	}
	return power
}
