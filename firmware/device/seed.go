package device

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"

	"usbhsm7/firmware/store"
)

// recordBoots counts how often a device with a seed was switched on.
const recordBoots = "plain/boots"

// seededEntropy returns random numbers that follow from a seed and from how often
// the device was switched on, so that it does not say the same again.
func seededEntropy(seed []byte, records *store.Store) (io.Reader, error) {
	count := make([]byte, 8)
	if stored, ok := records.Get(recordBoots); ok {
		copy(count, stored)
	}
	binary.BigEndian.PutUint64(count, binary.BigEndian.Uint64(count)+1)
	var b store.Batch
	b.Put(recordBoots, count)
	if err := records.Commit(&b); err != nil {
		return nil, fmt.Errorf("count a start with a seed: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "usbhsm7 seed %x %d ", count, len(seed))
	h.Write(seed)
	return &lockedReader{source: rand.NewChaCha8([32]byte(h.Sum(nil)))}, nil
}

// lockedReader gives several callers their turn.
type lockedReader struct {
	mu     sync.Mutex
	source io.Reader
}

func (r *lockedReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Read(p)
}
