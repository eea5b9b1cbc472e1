package auth

import (
	"strings"

	"usbhsm7/firmware/command"
)

// Bounds of a password in bytes.
const (
	MinPassword = 8
	MaxPassword = 255
)

// allowed holds the characters of a password. The double quote, ampersand,
// semicolon, angle brackets, backslash, grave accent and bar are not among
// them, as in the real product.
const allowed = "!#$%'()*+,-./0123456789:=? @ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{}~"

// CheckPassword returns an error with StatusPINLenRange for a password that is
// not 8 to 255 bytes long, and with StatusPINInvalid for one with a character
// that is not allowed or with a leading space.
func CheckPassword(password []byte) error {
	if n := len(password); n < MinPassword || n > MaxPassword {
		return command.StatusPINLenRange.Withf("a password has %d to %d bytes", MinPassword, MaxPassword)
	}
	if password[0] == ' ' {
		return command.StatusPINInvalid.With("a password does not begin with a space", "")
	}
	for _, c := range password {
		if strings.IndexByte(allowed, c) < 0 {
			return command.StatusPINInvalid.With("the password has a character that is not allowed",
				"use letters, digits, inner spaces and !#$%'()*+,-./:=?@[]^_{}~")
		}
	}
	return nil
}
