// Package token is the iKey itself: a chip that stores a few bytes, guards them
// with a PIN if it is told to, and knows nothing of what they mean.
//
// [Token] is the chip and the file that it is kept in; [Stick] is the chip as a
// USB device. What is in the file and on the wire is described in
// docs/ikey-format.md.
//
// The chip trusts nobody with its PIN: it counts a try in its memory before it
// looks at the PIN, and erases itself when the last try was wrong. It never
// holds a part of what it was given: each write replaces the whole, or nothing.
package token
