// Package testkeys holds the published keys of the simulator: anybody can sign an
// update that a simulated device takes, and nobody must trust such an update
// anywhere else. A product puts anchors of its own in their place.
//
// Every key is derived from SHA-256 of "usbhsm7 published key: " and the name in
// the comment of its function.
package testkeys

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"fmt"

	"filippo.io/mldsa"

	"usbhsm7/fuf"
)

// Vendor returns both keys of the signer of the firmware: "vendor ed25519" and
// "vendor ml-dsa-65".
func Vendor() []crypto.Signer { return signer("vendor") }

// Second returns both keys of another signer, for files that need two: "second
// ed25519" and "second ml-dsa-65".
func Second() []crypto.Signer { return signer("second") }

// Trust returns what a simulated device trusts: the vendor, without a log.
func Trust() fuf.Trust { return fuf.Trust{Signers: []fuf.Signer{Public("vendor", Vendor())}} }

// Public returns the public half of keys that Vendor or Second returned.
func Public(name string, keys []crypto.Signer) fuf.Signer {
	return fuf.Signer{
		Name:    name,
		Ed25519: keys[0].Public().(ed25519.PublicKey),
		MLDSA65: keys[1].Public().(*mldsa.PublicKey),
	}
}

// Models returns the private key of the group of models of every simulated device:
// "models".
func Models() hpke.PrivateKey {
	key, err := fuf.ModelKEM().NewPrivateKey(Seed("models"))
	if err != nil {
		panic(fmt.Errorf("published key: %w", err)) // of the right size: cannot happen
	}
	return key
}

// Seed returns the 32 bytes that the key with a name is made of.
func Seed(name string) []byte {
	sum := sha256.Sum256([]byte("usbhsm7 published key: " + name))
	return sum[:]
}

func signer(name string) []crypto.Signer {
	lattice, err := mldsa.NewPrivateKey(mldsa.MLDSA65(), Seed(name+" ml-dsa-65"))
	if err != nil {
		panic(fmt.Errorf("published key: %w", err)) // of the right size: cannot happen
	}
	return []crypto.Signer{ed25519.NewKeyFromSeed(Seed(name + " ed25519")), lattice}
}
