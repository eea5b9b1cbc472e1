package ring

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	chacha "math/rand/v2"

	"usbhsm7/ikey/internal/folder"
)

// entropy returns what PINs are salted with. With a seed it follows from that and
// from what is in the folder, so that a ring that is opened again does not say the
// same again, once anything was written. It has one user at a time, the key in the
// port.
func entropy(f folder.Folder, seed []byte) (io.Reader, error) {
	if seed == nil {
		return rand.Reader, nil
	}
	names, err := f.Names()
	if err != nil {
		return nil, fmt.Errorf("list iKeys: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "usbhsm7 iKeys %x", seed)
	for _, name := range names {
		content, _ := f.Load(name) // a file that cannot be read is that of no key
		fmt.Fprintf(h, " %q %x", name, sha256.Sum256(content))
		clear(content)
	}
	return chacha.NewChaCha8([32]byte(h.Sum(nil))), nil
}
