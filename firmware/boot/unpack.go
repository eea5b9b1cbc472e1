package boot

import (
	"fmt"

	"usbhsm7/fuf"
)

// Unpack verifies a whole file of a kind that is not firmware as Begin does, and
// returns what it carries. It changes nothing. The error carries a Reason or a
// fuf.Reason.
func (b *Boot) Unpack(file []byte, kind fuf.Kind, code fuf.Authcode, facts Facts) (*fuf.Release, []byte, error) {
	size, err := fuf.HeadSize(file)
	if err != nil {
		return nil, nil, err
	}
	if size > len(file) {
		return nil, nil, fmt.Errorf("%w: the head is cut short", fuf.ErrLength)
	}
	u, err := b.verifier.Open(file[:size])
	if err != nil {
		return nil, nil, err
	}
	b.mu.Lock()
	target := b.target(facts)
	b.mu.Unlock()
	target.Kind = kind
	release := u.Manifest().Release
	if err := Admit(&release, target); err != nil {
		return nil, nil, err
	}
	key, err := b.verifier.Unlock(u, code)
	if err != nil {
		return nil, nil, err
	}
	defer key.Wipe()
	payload, err := open(u, key, file[size:])
	if err != nil {
		return nil, nil, err
	}
	if err := b.verifier.Check(u, payload); err != nil {
		return nil, nil, err
	}
	return &release, payload, nil
}

// open decrypts the chunks of a file.
func open(u *fuf.Update, key *fuf.Key, chunks []byte) (payload []byte, err error) {
	if len(chunks) != u.Size()-u.HeadSize() {
		return nil, fmt.Errorf("%w: %d bytes of chunks, not %d", fuf.ErrLength, len(chunks), u.Size()-u.HeadSize())
	}
	payload = make([]byte, 0, u.Manifest().Release.Size)
	for i := range u.Chunks() {
		n := u.ChunkSize(i)
		if err := u.VerifyChunk(i, chunks[:n]); err != nil {
			return nil, err
		}
		if payload, err = key.Decrypt(payload, i, chunks[:n]); err != nil {
			return nil, err
		}
		chunks = chunks[n:]
	}
	return payload, nil
}
