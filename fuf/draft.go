package fuf

import (
	"bytes"
	"crypto"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	tlog "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
)

// Draft is a file in the author's hands: signatures and the proof may be missing.
// What it says is not verified.
type Draft struct {
	Manifest Manifest // to be read; a change of it changes nothing
	Proof    []byte   // c2sp.org/tlog-proof, or nothing

	encoded    []byte // the manifest
	signatures []signature
	table      table
	chunks     []byte
}

// Build encrypts a payload for a group of models and describes it. Size and Digest
// of release are filled in. The error carries ErrManifest if release makes no
// sense.
func Build(release Release, payload []byte, models hpke.PublicKey, code Authcode) (*Draft, error) {
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("%w: a payload of %d bytes", ErrTooLarge, len(payload))
	}
	release.Size, release.Digest = uint32(len(payload)), sha256.Sum256(payload)
	if err := release.Check(); err != nil {
		return nil, err
	}
	return describe(release, payload, models, code)
}

// describe encrypts a payload under a release that is complete.
func describe(release Release, payload []byte, models hpke.PublicKey, code Authcode) (*Draft, error) {
	enc, secret, err := encapsulate(models)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	key, commitment, err := keyOf(secret, code, &release)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	d := &Draft{}
	d.seal(key, payload)
	root, err := d.table.root()
	if err != nil {
		return nil, err
	}
	d.Manifest = Manifest{Schema, release, Sealing{ModelKeyID(models), enc, commitment, root}}
	d.encoded, err = encode(d.Manifest)
	return d, err
}

// seal encrypts the payload and writes the table.
func (d *Draft) seal(key *Key, payload []byte) {
	i := 0
	for content := range slices.Chunk(payload, ChunkSize) {
		chunk, tag := key.seal(i, content), key.Tag(content)
		digest := sha256.Sum256(chunk)
		d.table = append(append(d.table, digest[:]...), tag[:]...)
		d.chunks = append(d.chunks, chunk...)
		i++
	}
}

// ParseDraft reads a file, complete or not. It checks its shape and neither
// signatures nor chunks.
func ParseDraft(file []byte) (*Draft, error) {
	p, err := parsePreamble(file)
	if err != nil {
		return nil, err
	}
	if len(file) != p.total {
		return nil, fmt.Errorf("%w: %d bytes, not %d", ErrLength, len(file), p.total)
	}
	parts, err := split(file[:p.head()])
	if err != nil {
		return nil, err
	}
	s, err := parseSigned(parts.signed)
	if err != nil {
		return nil, err
	}
	manifest, err := parseManifest(s.Manifest)
	if err != nil {
		return nil, err
	}
	return &Draft{*manifest, parts.proof, s.Manifest, s.Signatures, parts.table, file[p.head():]}, nil
}

// Sign adds a signature by an Ed25519 or an ML-DSA-65 key, or replaces the one
// that the key has made before. The key signs the message itself: it is called
// with the hash function 0, as crypto/ed25519, filippo.io/mldsa and a key in the
// device all understand it.
func (d *Draft) Sign(key crypto.Signer) error {
	h, err := signerHeader(key.Public())
	if err != nil {
		return err
	}
	message, err := toBeSigned(d.encoded, h)
	if err != nil {
		return err
	}
	value, err := key.Sign(rand.Reader, message, crypto.Hash(0))
	if err != nil {
		return fmt.Errorf("sign the update file: %w", err)
	}
	protected, err := encode(h)
	if err != nil {
		return err
	}
	added := signature{Protected: protected, Value: value}
	if _, err := added.header(); err != nil {
		return err
	}
	at, found := slices.BinarySearchFunc(d.signatures, added, func(a, b signature) int { return bytes.Compare(a.Protected, b.Protected) })
	if found {
		d.signatures[at] = added
		return nil
	}
	d.signatures = slices.Insert(d.signatures, at, added)
	return nil
}

// Signatures lists the signatures of a draft. They are not verified.
func (d *Draft) Signatures() []Signature { return (&signed{Signatures: d.signatures}).list() }

// Check verifies the signatures that a draft has so far: those by signers that
// trust knows must be right, and at least one must be there.
func (d *Draft) Check(trust Trust) error {
	known := trust.verifiers()
	var s signed
	s.Manifest = d.encoded
	for _, sig := range d.signatures {
		if h, err := sig.header(); err == nil && known[h].verify != nil {
			s.Signatures = append(s.Signatures, sig)
		}
	}
	if len(s.Signatures) == 0 {
		return fmt.Errorf("%w: no signature by a trusted key", ErrUnsigned)
	}
	if err := trust.check(&s); err != nil && !errors.Is(err, ErrUnsigned) {
		return err
	}
	return nil
}

// CheckChunks verifies the table and every chunk of a draft against its manifest.
// Whoever signs a draft that another one made should ask for that first: a signer
// vouches for the chunks too.
func (d *Draft) CheckChunks() error {
	u := &Update{manifest: d.Manifest, table: d.table, total: len(d.chunks)} // without a head
	if err := u.checkTable(); err != nil {
		return err
	}
	rest := d.chunks
	for i := range u.Chunks() {
		n := u.ChunkSize(i)
		if err := u.VerifyChunk(i, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// Cosign has a witness sign the checkpoint of the proof.
func (d *Draft) Cosign(witness note.Signer) error {
	var entry tlog.TLogProof
	if err := entry.Unmarshal(d.Proof); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	text, signatures, found := bytes.Cut(entry.Checkpoint, []byte("\n\n"))
	if !found {
		return fmt.Errorf("%w: the checkpoint is no signed note", ErrProof)
	}
	added, err := note.Sign(&note.Note{Text: string(text) + "\n"}, witness)
	if err != nil {
		return fmt.Errorf("cosign the checkpoint: %w", err)
	}
	_, line, _ := bytes.Cut(added, []byte("\n\n"))
	entry.Checkpoint = slices.Concat(text, []byte("\n\n"), signatures, line)
	d.Proof = entry.Marshal()
	return nil
}

// LogEntry returns what an author has the log of transparency hold: the manifest.
func (d *Draft) LogEntry() []byte { return slices.Clone(d.encoded) }

// Bytes returns the file.
func (d *Draft) Bytes() ([]byte, error) {
	s, err := encodeSigned(d.encoded, d.signatures)
	if err != nil {
		return nil, err
	}
	file := assemble(s, d.Proof, d.table, d.chunks)
	_, err = parsePreamble(file)
	return file, err
}

// assemble puts the parts of a file together.
func assemble(signed, proof, table, chunks []byte) []byte {
	p := preamble{signed: len(signed), proof: len(proof), table: len(table)}
	p.total = p.head() + len(chunks)
	return slices.Concat(p.append(nil), signed, proof, table, chunks)
}
