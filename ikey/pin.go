package ikey

import "fmt"

// CheckPIN reports whether a key may have this PIN: MinPIN to MaxPIN digits, or
// none at all. The error is ErrPINRule, and does not repeat the PIN.
func CheckPIN(pin []byte) error {
	if n := len(pin); n != 0 && (n < MinPIN || n > MaxPIN) {
		return fmt.Errorf("%w: this has %d", ErrPINRule, n)
	}
	for _, digit := range pin {
		if digit < '0' || digit > '9' {
			return fmt.Errorf("%w: this has something else", ErrPINRule)
		}
	}
	return nil
}
