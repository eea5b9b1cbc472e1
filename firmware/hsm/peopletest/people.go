// Package peopletest plays the people in front of a device, for tests and
// rehearsals of the HSM without a screen and without iKeys.
//
//	people := new(peopletest.People)
//	h, err := hsm.Open(hsm.Config{Path: people, ...})
//	people.Bring("stranger") // from now on they bring other iKeys
//
// Keysets have names. What one gives follows from its name and from what it is
// for, so that the same people can stand in front of every copy of a device.
package peopletest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"usbhsm7/firmware/hsm"
)

// People do as they are told. The zero value makes and presents the usual keyset
// of each role, which has the name of the role. It is safe for concurrent use.
type People struct {
	mu      sync.Mutex
	makes   string
	brings  string
	refuses error
	asked   func(context.Context, hsm.Subject) error
	shown   string
	times   int
	given   [][]byte // secrets that the HSM was given, and texts that it revealed
}

// Make names the keyset that they make from now on; "" is the usual one.
func (p *People) Make(keyset string) { p.set(func() { p.makes = keyset }) }

// Bring names the keyset that they present from now on; "" is the usual one.
func (p *People) Bring(keyset string) { p.set(func() { p.brings = keyset }) }

// Refuse has them do nothing but answer with err; nil ends that.
func (p *People) Refuse(err error) { p.set(func() { p.refuses = err }) }

// When has f run while they are asked, with no lock held; its error is the answer.
func (p *People) When(f func(context.Context, hsm.Subject) error) { p.set(func() { p.asked = f }) }

// Shown returns the text that was revealed to them last.
func (p *People) Shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown
}

// Times returns how often they were asked for something.
func (p *People) Times() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.times
}

func (p *People) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// Create is of hsm.TrustedPath, as are those below.
func (p *People) Create(ctx context.Context, s hsm.Subject) ([]byte, error) {
	makes, _, err := p.ask(ctx, s)
	if err != nil {
		return nil, err
	}
	return p.give(Secret(makes, s)), nil
}

// Present presents a keyset.
func (p *People) Present(ctx context.Context, s hsm.Subject) ([]byte, error) {
	_, brings, err := p.ask(ctx, s)
	if err != nil {
		return nil, err
	}
	return p.give(Secret(brings, s)), nil
}

// Confirm allows everything.
func (p *People) Confirm(ctx context.Context, q hsm.Question) error {
	_, _, err := p.ask(ctx, hsm.Subject{})
	return err
}

// Reveal remembers the text.
func (p *People) Reveal(ctx context.Context, s hsm.Subject, text []byte) error {
	p.give(text)
	_, _, err := p.ask(ctx, s)
	if err == nil {
		p.set(func() { p.shown = string(text) })
	}
	return err
}

// Kept reports whether the HSM still has in memory a secret that it was given, or a
// text that it revealed.
func (p *People) Kept() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.given, func(secret []byte) bool { return !bytes.Equal(secret, make([]byte, len(secret))) })
}

// give notes where in memory a secret is.
func (p *People) give(secret []byte) []byte {
	p.set(func() { p.given = append(p.given, secret) })
	return secret
}

// Secret returns what the keyset of a name gives for a subject: 32 bytes.
func Secret(keyset string, s hsm.Subject) []byte {
	if keyset == "" {
		keyset = s.Role.String()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "keyset %s, secret %d", keyset, s.Secret))
	return sum[:]
}

// ask counts a question and lets the test interfere.
func (p *People) ask(ctx context.Context, s hsm.Subject) (makes, brings string, err error) {
	p.mu.Lock()
	p.times++
	makes, brings, err = p.makes, p.brings, p.refuses
	asked := p.asked
	p.mu.Unlock()
	if err == nil && asked != nil {
		err = asked(ctx, s)
	}
	return makes, brings, err
}
