package fuf

import (
	"crypto/hpke"
	"crypto/sha256"
	"fmt"
	"slices"
)

// Update is the verified head of a file. It does not change, and several
// goroutines may use it.
type Update struct {
	manifest   Manifest
	id         Digest
	head       int
	total      int
	table      table
	signatures []Signature
	proven     bool
}

// Open verifies the head of a file: the whole of it, before anything in it is
// believed. head is not kept. Of a head that Open accepts every byte is as its
// signers and its log made it; a verifier without a log policy does not read the
// proof. The error carries the Reason; what stands in a head is checked
// in the order of the reasons, so that cheap checks come first and the manifest is
// not decoded before its signatures are known to be right.
func Open(head []byte, trust Trust) (*Update, error) {
	parts, err := split(head)
	if err != nil {
		return nil, err
	}
	s, err := parseSigned(parts.signed)
	if err != nil {
		return nil, err
	}
	if err := trust.check(s); err != nil {
		return nil, err
	}
	manifest, err := parseManifest(s.Manifest)
	if err != nil {
		return nil, err
	}
	u := &Update{
		manifest: *manifest, id: sha256.Sum256(s.Manifest), head: parts.head(), total: parts.total,
		table: parts.table, signatures: s.list(), proven: trust.Log != nil,
	}
	if err := u.checkTable(); err != nil {
		return nil, err
	}
	if err := trust.Log.check(parts.proof, s.Manifest); err != nil {
		return nil, err
	}
	u.table = append(table(nil), u.table...)
	return u, nil
}

// headParts are the parts of a head.
type headParts struct {
	preamble
	signed, proof []byte
	table         table
}

// split cuts a head into its parts.
func split(head []byte) (headParts, error) {
	p, err := parsePreamble(head)
	if err != nil {
		return headParts{}, err
	}
	if len(head) != p.head() {
		return headParts{}, fmt.Errorf("%w: a head of %d bytes, not %d", ErrLength, len(head), p.head())
	}
	rest := head[PreambleSize:]
	return headParts{p, rest[:p.signed], rest[p.signed:][:p.proof], table(rest[p.signed+p.proof:])}, nil
}

// checkTable compares the lengths and the table with what was signed.
func (u *Update) checkTable() error {
	size := int(u.manifest.Release.Size)
	if chunks := chunksOf(size); u.table.chunks() != chunks || u.total != u.head+size+chunks*Overhead {
		return fmt.Errorf("%w: %d bytes and %d chunks for a payload of %d", ErrLength, u.total, u.table.chunks(), size)
	}
	root, err := u.table.root()
	if err != nil {
		return err
	}
	if root != u.manifest.Sealing.Root {
		return fmt.Errorf("%w: root %s", ErrTable, root)
	}
	return nil
}

// Manifest returns what the file says about itself.
func (u *Update) Manifest() Manifest { return u.manifest }

// ID returns the SHA-256 digest of the manifest. Files with the same ID have the
// same chunks, so that an upload may go on where one with the same ID ended.
func (u *Update) ID() Digest { return u.id }

// Signatures lists the signatures, all of them right.
func (u *Update) Signatures() []Signature { return slices.Clone(u.signatures) }

// Proven reports whether the verifier demanded a proof of transparency.
func (u *Update) Proven() bool { return u.proven }

// HeadSize returns the size of the head, bytes: the chunks begin there.
func (u *Update) HeadSize() int { return u.head }

// Size returns the size of the whole file, bytes.
func (u *Update) Size() int { return u.total }

// Chunks returns the number of chunks.
func (u *Update) Chunks() int { return u.table.chunks() }

// ChunkSize returns the size of chunk i in the file, bytes.
func (u *Update) ChunkSize(i int) int {
	return min(ChunkSize, int(u.manifest.Release.Size)-i*ChunkSize) + Overhead
}

// Tag returns the tag of chunk i; see Key.Tag.
func (u *Update) Tag(i int) Tag { return u.table.tag(i) }

// VerifyChunk checks that chunk is, as it stands in the file, the one with number
// i. It needs no key. The error carries ErrChunk.
func (u *Update) VerifyChunk(i int, chunk []byte) error {
	if i < 0 || i >= u.Chunks() {
		return fmt.Errorf("%w: there is no chunk %d of %d", ErrChunk, i, u.Chunks())
	}
	if len(chunk) != u.ChunkSize(i) {
		return fmt.Errorf("%w: chunk %d has %d bytes, not %d", ErrChunk, i, len(chunk), u.ChunkSize(i))
	}
	if sha256.Sum256(chunk) != u.table.digest(i) {
		return fmt.Errorf("%w: chunk %d", ErrChunk, i)
	}
	return nil
}

// Unlock returns the key of the chunks. It finds a wrong key of the models
// (ErrRecipient) and a wrong code (ErrAuthcode) without a single chunk.
func (u *Update) Unlock(models hpke.PrivateKey, code Authcode) (*Key, error) {
	sealing := u.manifest.Sealing
	if id := ModelKeyID(models.PublicKey()); id != sealing.Recipient {
		return nil, fmt.Errorf("%w: for key %s, this is %s", ErrRecipient, sealing.Recipient, id)
	}
	secret, err := decapsulate(models, sealing.Enc)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	key, commitment, err := keyOf(secret, code, &u.manifest.Release)
	if err != nil {
		return nil, err
	}
	if !commits(commitment, sealing.Commitment) {
		key.Wipe()
		return nil, ErrAuthcode
	}
	return key, nil
}
