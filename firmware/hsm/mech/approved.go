package mech

import (
	"crypto"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"usbhsm7/firmware/command"
)

// Approved reports whether the FIPS-approved configuration permits a use of a
// mechanism with its parameters and this key (SP 800-131A): what the mechanism's
// row says, but no curve outside SP 800-186 and no new signature with SHA-1.
func Approved(k *Key, m *command.Mechanism, use command.Use) bool {
	row, ok := command.LookupMechanism(m.Type)
	if !ok || !row.ApprovedFor(use, k.Bits) || k.unapprovedCurve() {
		return false
	}
	return use != command.UseSign || m.Type != command.MechRSAPKCSPSS || hashes[m.Hash] != crypto.SHA1
}

func (k *Key) unapprovedCurve() bool {
	switch k.private.(type) {
	case *secp256k1.PrivateKey:
		return true
	}
	_, public := k.public.(*secp256k1.PublicKey)
	return public || k.Type == command.KeyECMontgomery
}
