package sweep

import (
	"crypto/sha256"
	"sync"

	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
)

// memory is a verifier that remembers what it was asked. Its answers depend on
// nothing else.
type memory struct {
	boot.Verifier
	code    fuf.Authcode
	mu      sync.Mutex
	updates map[fuf.Digest]*fuf.Update
	keys    map[fuf.Digest]*fuf.Key // by ID, for the code
}

func newMemory(v boot.Verifier, code fuf.Authcode) *memory {
	return &memory{Verifier: v, code: code, updates: map[fuf.Digest]*fuf.Update{}, keys: map[fuf.Digest]*fuf.Key{}}
}

// Open implements boot.Verifier.
func (m *memory) Open(head []byte) (*fuf.Update, error) {
	id := fuf.Digest(sha256.Sum256(head))
	m.mu.Lock()
	u := m.updates[id]
	m.mu.Unlock()
	if u != nil {
		return u, nil
	}
	u, err := m.Verifier.Open(head)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.updates[id] = u
	return u, nil
}

// Unlock implements boot.Verifier.
func (m *memory) Unlock(u *fuf.Update, code fuf.Authcode) (*fuf.Key, error) {
	if code != m.code {
		return m.Verifier.Unlock(u, code)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.keys[u.ID()]; k != nil {
		return k.Clone(), nil
	}
	k, err := m.Verifier.Unlock(u, code)
	if err != nil {
		return nil, err
	}
	m.keys[u.ID()] = k
	return k.Clone(), nil
}
