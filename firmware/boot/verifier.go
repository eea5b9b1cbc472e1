package boot

import (
	"crypto/hpke"
	"crypto/sha256"

	"usbhsm7/fuf"
)

// Verifier decides what is authentic. A rehearsal puts its own in place, which
// remembers answers or gets them wrong on purpose.
type Verifier interface {
	// Open verifies the head of a file. The error carries a fuf.Reason.
	Open(head []byte) (*fuf.Update, error)
	// Unlock returns the key of the chunks, which the caller wipes. The error
	// carries a fuf.Reason.
	Unlock(u *fuf.Update, code fuf.Authcode) (*fuf.Key, error)
	// Check verifies a whole payload. The error carries fuf.ErrPayload.
	Check(u *fuf.Update, payload []byte) error
}

// Trusting returns a verifier with anchors: who signs firmware, and the private key
// of the models' group. A simulated device has those of fuf/testkeys, which are
// published; a product has its own.
func Trusting(trust fuf.Trust, models hpke.PrivateKey) Verifier { return anchors{trust, models} }

type anchors struct {
	trust  fuf.Trust
	models hpke.PrivateKey
}

func (a anchors) Open(head []byte) (*fuf.Update, error) { return fuf.Open(head, a.trust) }

func (a anchors) Unlock(u *fuf.Update, code fuf.Authcode) (*fuf.Key, error) {
	return u.Unlock(a.models, code)
}

func (anchors) Check(u *fuf.Update, payload []byte) error {
	if u.Manifest().Release.Digest != fuf.Digest(sha256.Sum256(payload)) {
		return fuf.ErrPayload
	}
	return nil
}
