package token

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"usbhsm7/ikey"
)

// Memory is where a token keeps its bytes.
type Memory interface {
	// Load returns what the last Replace stored.
	Load() ([]byte, error)
	// Replace stores b in place of what was there: whole or not at all, even if
	// power fails. When it returns nil, b is durable.
	Replace(b []byte) error
}

// Token is the chip. It keeps nothing outside its memory between two calls. Its
// methods may be called from any goroutine. They return ikey.ErrDamaged if the
// memory does not hold what a token wrote, and ikey.ErrWorn if it cannot be
// written; then what was there is still there.
type Token struct {
	mu      sync.Mutex // an operation is under way
	memory  Memory
	entropy io.Reader // for salts
	cost    uint8     // of new PINs
}

// New returns the token with this memory. Entropy salts its PINs.
func New(memory Memory, entropy io.Reader) *Token {
	return &Token{memory: memory, entropy: entropy, cost: defaultCost}
}

// Identify tells what the key holds, without its PIN.
func (t *Token) Identify() (ikey.Info, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.load()
	if err != nil {
		return ikey.Info{}, err
	}
	return ikey.Info{Kind: ikey.Kind(r.kind), PIN: r.pin, TriesLeft: int(r.tries)}, nil
}

// Format makes a blank token of a memory, whatever is in it.
func Format(memory Memory) error { return memory.Replace((&record{}).encode()) }

// Read returns the data, which the caller wipes. A key without a PIN gives it to
// everybody, whatever the PIN. Errors: ikey.ErrBlank; ikey.ErrPIN, with which the
// key has a try less, or is blank if it was the last. What cannot be a PIN is
// wrong and costs no try.
func (t *Token) Read(pin []byte) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.load()
	if err != nil {
		return nil, err
	}
	return t.read(&r, pin)
}

// Write replaces what the key holds, and its PIN; an empty one is none. It needs
// no PIN: whoever holds a key can destroy what is on it. Errors: ikey.ErrPINRule,
// ikey.ErrContents for more than MaxData bytes or the kind of a blank key. A
// damaged key stays damaged.
func (t *Token) Write(kind ikey.Kind, data, pin []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.load(); err != nil {
		return err
	}
	return t.write(uint8(kind), data, pin)
}

// ChangePIN replaces one PIN by another; an empty one is none. Errors: those of
// Read for the old PIN, ikey.ErrPINRule for the new one.
func (t *Token) ChangePIN(old, pin []byte) error {
	if err := ikey.CheckPIN(pin); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.load()
	if err != nil {
		return err
	}
	data, err := t.read(&r, old)
	if err != nil {
		return err
	}
	defer clear(data)
	return t.write(r.kind, data, pin)
}

// Erase makes the key blank. It needs no PIN.
func (t *Token) Erase() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.load(); err != nil {
		return err
	}
	return t.store(record{})
}

// read opens the data of r, which is what the memory holds.
func (t *Token) read(r *record, pin []byte) ([]byte, error) {
	switch {
	case r.kind == uint8(ikey.Blank):
		return nil, ikey.ErrBlank
	case !r.pin:
		return append([]byte(nil), r.data...), nil
	case len(pin) == 0 || ikey.CheckPIN(pin) != nil:
		return nil, ikey.ErrPIN
	}
	r.tries-- // load leaves no record without a try
	if err := t.store(*r); err != nil {
		return nil, err
	}
	data, err := r.open(pin)
	if err == nil {
		r.tries = ikey.MaxTries
		err = t.store(*r)
	} else if errors.Is(err, ikey.ErrPIN) && r.tries == 0 {
		err = errors.Join(err, t.store(record{}))
	}
	if err != nil {
		clear(data)
		return nil, err
	}
	return data, nil
}

func (t *Token) write(kind uint8, data, pin []byte) error {
	if err := ikey.CheckPIN(pin); err != nil {
		return err
	}
	if kind == uint8(ikey.Blank) || len(data) > MaxData {
		return fmt.Errorf("%w: %d bytes of kind %d", ikey.ErrContents, len(data), kind)
	}
	r := record{kind: kind, data: data}
	if len(pin) > 0 {
		r.pin, r.tries, r.cost = true, ikey.MaxTries, t.cost
		if _, err := io.ReadFull(t.entropy, r.salt[:]); err != nil {
			return fmt.Errorf("salt a PIN: %w", err)
		}
		if err := r.seal(pin, data); err != nil {
			return err
		}
	}
	return t.store(r)
}

// load returns what the memory holds. A key whose power failed between its last
// try and the end of it erases itself now.
func (t *Token) load() (record, error) {
	b, err := t.memory.Load()
	if err != nil {
		return record{}, fmt.Errorf("%w: %w", ikey.ErrDamaged, err)
	}
	r, err := decode(b)
	if err == nil && r.pin && r.tries == 0 {
		r = record{}
		err = t.store(r)
	}
	return r, err
}

func (t *Token) store(r record) error {
	b := r.encode()
	defer clear(b)
	if err := t.memory.Replace(b); err != nil {
		return fmt.Errorf("%w: %w", ikey.ErrWorn, err)
	}
	return nil
}
