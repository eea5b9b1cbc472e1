package ikey

import (
	"errors"
	"fmt"
)

// Kind is what a key holds. The colour of the sticker on its outside is not
// known to the key or to any device.
type Kind uint8

// Kinds, with the colour of the sticker that people put on such a key.
const (
	Blank   Kind = iota // nothing
	SO                  // blue: HSM SO, Partition SO
	User                // black or grey: Crypto Officer, Limited Crypto Officer, Crypto User
	Domain              // red: cloning domain
	Auditor             // white
	RPV                 // orange: vector of a remote PED

	lastKind = RPV
)

// String returns a name for people, for example "SO".
func (k Kind) String() string {
	names := [...]string{"blank", "SO", "user", "domain", "auditor", "RPV"}
	if int(k) < len(names) {
		return names[k]
	}
	return "invalid"
}

// Set names a keyset: 16 random bytes that all its keys share.
type Set [16]byte

// Bounds.
const (
	MaxKeys    = 16 // of a keyset
	SecretSize = 32 // bytes of the secret that a keyset opens
	MinPIN     = 4  // digits of a PIN
	MaxPIN     = 48
	MaxTries   = 10 // at a PIN, before a key erases itself
)

// Contents is what a device writes on a key. Copies of a key have the same
// contents, so a device cannot tell them apart.
type Contents struct {
	Kind  Kind   // never Blank
	Set   Set    // which keyset it belongs to
	M     uint8  // how many different keys open the set: 1 to N
	N     uint8  // how many different keys there are: 1 to MaxKeys
	Index uint8  // which of them this is: 1 to N
	Share []byte // of the secret: what share.Split made; with M = 1 the secret itself
	Check []byte // binds a set together: the same on all its keys, right only with the right secret
}

// Info is what a key tells before its PIN is given.
type Info struct {
	Kind      Kind
	PIN       bool // a PIN is set
	TriesLeft int  // at the PIN, until the key erases itself; 0 without one
}

// Errors that devices tell apart with errors.Is.
var (
	ErrPINRule  = fmt.Errorf("a PIN of an iKey has %d to %d digits", MinPIN, MaxPIN)
	ErrNoKey    = errors.New("no iKey in the port")
	ErrNotAKey  = errors.New("the device in the port is no iKey")
	ErrDamaged  = errors.New("the iKey is damaged")
	ErrPIN      = errors.New("wrong PIN of the iKey")
	ErrBlank    = errors.New("the iKey is blank")
	ErrContents = errors.New("the contents of the iKey make no sense")
	ErrRemoved  = errors.New("the iKey was pulled out")

	// ErrVersion is a kind of ErrContents: they are written in another version of
	// the layout, by other firmware.
	ErrVersion = fmt.Errorf("%w: another version of the layout", ErrContents)

	// ErrWorn is a kind of ErrDamaged: what was on the key can still be read.
	ErrWorn = fmt.Errorf("%w: it cannot be written any more", ErrDamaged)
)
