package dialoguetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"usbhsm7/ikey"
)

// Key is an iKey. The zero Key is blank and whole.
type Key struct {
	Contents ikey.Contents // Kind is ikey.Blank: none
	PIN      string
	Tries    int   // left; 0: ikey.MaxTries, or none if it was counted down
	Fault    error // of every access, such as ikey.ErrDamaged or ikey.ErrNotAKey
	Unread   error // of every read, such as ikey.ErrVersion
	Worn     bool  // cannot be written
	Pull     int   // it is pulled out during the Pull-th access from now; 0: never
	Gone     int   // it is pulled out before the Gone-th access from now; 0: never
	Instead  *Key  // is plugged in where this one is Gone
}

// Port is a port for iKeys with keys beside it. It implements dialogue.Reader.
type Port struct {
	changes chan struct{}

	mu   sync.Mutex
	keys map[string]*Key
	in   *Key
	read [][]byte // shares that Read has handed out
}

func newPort() *Port {
	return &Port{changes: make(chan struct{}, 1), keys: map[string]*Key{}}
}

// Key returns the key of a name, and makes it if there is none. It is changed only
// while no dialogue uses it.
func (p *Port) Key(name string) *Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keys[name] == nil {
		p.keys[name] = &Key{Tries: ikey.MaxTries}
	}
	return p.keys[name]
}

// Insert plugs a key in, in place of what is there.
func (p *Port) Insert(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := p.keys[name]
	if key == nil {
		return fmt.Errorf("there is no key %s", name)
	}
	p.plug(key)
	return nil
}

// Remove empties the port.
func (p *Port) Remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plug(nil)
}

func (p *Port) plug(key *Key) {
	p.in = key
	select {
	case p.changes <- struct{}{}:
	default:
	}
}

// Changes implements dialogue.Reader.
func (p *Port) Changes() <-chan struct{} { return p.changes }

// access returns the key in the port for one access to it; mu is held.
func (p *Port) access(ctx context.Context) (*Key, error) {
	key := p.in
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case key == nil:
		return nil, ikey.ErrNoKey
	}
	if key.Gone > 0 {
		if key.Gone--; key.Gone == 0 {
			p.plug(key.Instead)
			if key = p.in; key == nil {
				return nil, ikey.ErrNoKey
			}
		}
	}
	if key.Pull > 0 {
		if key.Pull--; key.Pull == 0 {
			p.plug(nil)
			return nil, ikey.ErrRemoved
		}
	}
	return key, key.Fault
}

// Identify implements dialogue.Reader.
func (p *Port) Identify(ctx context.Context) (ikey.Info, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := p.access(ctx)
	if err != nil {
		return ikey.Info{}, err
	}
	return ikey.Info{Kind: key.Contents.Kind, PIN: key.PIN != "", TriesLeft: key.Tries}, nil
}

// Read implements dialogue.Reader.
func (p *Port) Read(ctx context.Context, pin []byte) (ikey.Contents, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := p.open(ctx, pin)
	if err == nil {
		err = key.Unread
	}
	if err != nil {
		return ikey.Contents{}, err
	}
	c := clone(key.Contents)
	p.read = append(p.read, c.Share)
	return c, nil
}

// Kept reports whether whoever has read shares still keeps one.
func (p *Port) Kept() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.read, kept)
}

// kept reports whether a secret was not wiped.
func kept(secret []byte) bool {
	return slices.ContainsFunc(secret, func(b byte) bool { return b != 0 })
}

// open returns the key if its PIN is right; mu is held.
func (p *Port) open(ctx context.Context, pin []byte) (*Key, error) {
	key, err := p.access(ctx)
	switch {
	case err != nil:
		return nil, err
	case key.Contents.Kind == ikey.Blank:
		return nil, ikey.ErrBlank
	case key.PIN == "" || key.PIN == string(pin):
		key.Tries = ikey.MaxTries
		return key, nil
	}
	if key.Tries--; key.Tries == 0 {
		*key = Key{Tries: ikey.MaxTries}
	}
	return nil, ikey.ErrPIN
}

// Write implements dialogue.Reader.
func (p *Port) Write(ctx context.Context, c ikey.Contents, pin []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := p.access(ctx)
	switch {
	case err != nil:
		return err
	case key.Worn:
		return ikey.ErrDamaged
	}
	key.Contents, key.PIN, key.Tries = clone(c), string(pin), ikey.MaxTries
	return nil
}

// ChangePIN implements dialogue.Reader.
func (p *Port) ChangePIN(ctx context.Context, old, fresh []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := p.open(ctx, old)
	if err != nil {
		return err
	}
	key.PIN = string(fresh)
	return nil
}

// Erase implements dialogue.Reader.
func (p *Port) Erase(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := p.access(ctx)
	if err != nil {
		return err
	}
	*key = Key{Tries: ikey.MaxTries}
	return nil
}

func clone(c ikey.Contents) ikey.Contents {
	c.Share, c.Check = bytes.Clone(c.Share), bytes.Clone(c.Check)
	return c
}
