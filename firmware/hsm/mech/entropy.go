package mech

import (
	"io"

	"usbhsm7/firmware/command"
)

// Entropy is where keys, nonces, salts and IVs come from.
type Entropy struct {
	io.Reader // safe for use by several callers at once

	// Seeded makes everything a function of what Reader gives: keys are derived by
	// this package where Go would mix in randomness of its own, and signatures that
	// need a nonce are deterministic ones. It is for devices with a seed.
	Seeded bool
}

// Random returns n bytes of entropy.
func Random(n int, entropy io.Reader) ([]byte, error) {
	p := make([]byte, n)
	if _, err := io.ReadFull(entropy, p); err != nil {
		return nil, rngFailed(err)
	}
	return p, nil
}

func rngFailed(error) error {
	return command.StatusRNGError.With("the random number generator failed", "restart the device")
}
