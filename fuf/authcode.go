package fuf

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// Authcode is the authentication code that comes with a file and without which
// nobody decrypts it: 96 random bits. It is a secret; its text is 16 characters
// of base64.
type Authcode [12]byte

// NewAuthcode makes an authentication code.
func NewAuthcode() Authcode {
	var code Authcode
	rand.Read(code[:]) // never fails
	return code
}

// ParseAuthcode reads what Text returns; white space around it does not count. The
// error carries ErrAuthcode and not a word of what was given.
func ParseAuthcode(text string) (Authcode, error) {
	text = strings.TrimSpace(text)
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(Authcode{}) || len(text) != 16 {
		return Authcode{}, fmt.Errorf("%w: an authentication code is 16 characters of base64", ErrAuthcode)
	}
	defer clear(raw)
	return Authcode(raw), nil
}

// Text returns the code as people type it.
func (c Authcode) Text() string { return base64.StdEncoding.EncodeToString(c[:]) }

// Format hides the code from messages and logs, whatever the verb.
func (Authcode) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(authentication code)") }
