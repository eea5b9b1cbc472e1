package hsm

import (
	"context"

	"usbhsm7/firmware/command"
)

// TrustedPath is the way to the people in front of the device, by its screen and
// its port for iKeys, which no host sees. Each method may take minutes: no lock
// is held, and ctx ends it. Errors have a command.Status: what was wrong with the
// last key, if it did not count and nobody went on; else FunctionCanceled if somebody
// cancelled, Timeout or the like where a person did not do what was asked. Methods do not mix: who comes while another one is under way waits.
type TrustedPath interface {
	// Create has a person make the keyset of a subject, or take one that exists,
	// and returns the secret that it opens, 32 bytes, which the caller wipes.
	Create(ctx context.Context, s Subject) (secret []byte, err error)
	// Present has a person present enough keys of a set and returns the secret
	// that they open. Keys of another kind and keys of mixed sets are no secret
	// but an error; a whole set of another subject is a secret, and wrong.
	Present(ctx context.Context, s Subject) (secret []byte, err error)
	// Confirm asks a person to allow something.
	Confirm(ctx context.Context, q Question) error
	// Reveal shows a secret text until the person has taken note of it.
	Reveal(ctx context.Context, s Subject, text []byte) error
}

// Subject is whose secret it is about.
type Subject struct {
	Secret Secret
	Role   command.Role // whose; of a domain the role that owns it: so, po or auditor
	Label  string       // of the HSM or the partition, for people to read; may be empty
	Single bool         // of a keyset that is made: HSM policy 37 allows no M of N, one iKey holds the secret
}

// Secret is a kind of secret on iKeys.
type Secret uint8

// Kinds of secrets.
const (
	SecretRole      Secret = iota // what a role is authenticated with
	SecretDomain                  // of the HSM or the partition
	SecretChallenge               // what an activated role logs in with; shown, never on a key
)

// Question is something that only a person at the device may allow.
type Question struct {
	Title string
	Text  string
}
