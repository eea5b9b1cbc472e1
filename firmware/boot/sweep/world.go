package sweep

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// The chip: the bootloader's region, and one block that stands for the state of the
// HSM.
const (
	regionBlocks = 2 + boot.Slots*slotBlocks
	stateBlock   = regionBlocks
)

var geometry = flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: regionBlocks + 1}

// canary stands for keys in the state of the HSM.
var canary = []byte("this is a key that must not outlive a rollback....")

// slotBlocks is room for marks, a head and the images of the rehearsal.
const slotBlocks = 1 + 3 + 9

// imageSize is how large they are, bytes: two chunks and a piece.
const imageSize = 34 << 10

// The firmware of a rehearsal, by number. Number 0 is in read-only memory.
var firmware = []struct {
	version  fuf.Version
	security uint32
	content  uint64 // images of the same content share most chunks
}{
	{fuf.V(7, 9, 2), 1, 0},
	{fuf.V(7, 9, 3), 2, 1},
	{fuf.V(7, 9, 4), 3, 2},
	{fuf.V(7, 9, 5), 4, 3},
	{fuf.V(7, 9, 6), 5, 2},
}

// world is what a rehearsal is played with. Nobody changes it.
type world struct {
	verifier boot.Verifier
	updates  []*boottest.Update // by number; nil for 0
	images   []fuf.Digest       // of the encoded images, by number
	forged   []byte             // a head with a flipped bit
	foreign  *boottest.Update   // for another model
}

func newWorld() (*world, error) {
	w := &world{verifier: newMemory(boottest.Verifier())}
	for i, f := range firmware {
		m := boot.Factory()
		if i > 0 {
			m = boottest.Image(f.version, f.security, imageSize, f.content)
		}
		encoded, err := m.Encode()
		if err != nil {
			return nil, err
		}
		w.images = append(w.images, sha256.Sum256(encoded))
		if i == 0 {
			w.updates = append(w.updates, nil)
			continue
		}
		u, err := boottest.New(m)
		if err != nil {
			return nil, err
		}
		w.updates = append(w.updates, u)
	}
	return w, w.spoil()
}

// spoil makes the files that are to be refused.
func (w *world) spoil() (err error) {
	good := w.updates[1]
	w.forged = append([]byte(nil), good.Head...)
	w.forged[len(w.forged)/3] ^= 4
	r := boottest.Release(good.Image)
	r.Models = []string{"another"}
	w.foreign, err = boottest.Make(good.Image, r)
	return err
}

// number returns which firmware has a version.
func number(v fuf.Version) int {
	for i, f := range firmware {
		if f.version == v {
			return i
		}
	}
	return -1
}

// authentic reports whether an image is one that was made for the rehearsal.
func (w *world) authentic(m *boot.Image) error {
	n := number(m.Version)
	encoded, err := m.Encode()
	if err != nil {
		return err
	}
	if n < 0 || w.images[n] != fuf.Digest(sha256.Sum256(encoded)) {
		return fmt.Errorf("version %v with a content that nobody made", m.Version)
	}
	return nil
}

// open switches the bootloader of a chip on.
func (w *world) open(chip flash.Device, v boot.Verifier) (*boot.Boot, error) {
	region, err := flash.NewRegion(chip, 0, regionBlocks)
	if err != nil {
		return nil, err
	}
	c := boot.Config{Verifier: v, Product: boottest.Product, Model: boottest.Model}
	return boot.Open(region, c)
}

// memory is a verifier that remembers what it was asked. Its answers depend on
// nothing else.
type memory struct {
	boot.Verifier
	mu      sync.Mutex
	updates map[fuf.Digest]*fuf.Update
	keys    map[fuf.Digest]*fuf.Key // by ID, for the code of boottest
}

func newMemory(v boot.Verifier) *memory {
	return &memory{Verifier: v, updates: map[fuf.Digest]*fuf.Update{}, keys: map[fuf.Digest]*fuf.Key{}}
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
	if code != boottest.Code {
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
