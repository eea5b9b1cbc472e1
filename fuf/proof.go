package fuf

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"github.com/transparency-dev/formats/log"
	tlog "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

// LogPolicy demands a proof that the manifest stands in a public log, so that
// nobody can sign an update for one device in secret.
type LogPolicy struct {
	Log       note.Verifier   // the log; its name is the origin of its checkpoints
	Witnesses []note.Verifier // who may have cosigned the checkpoint
	Quorum    int             // how many of them must have
}

// check verifies a proof (c2sp.org/tlog-proof) that the log holds manifest. Every
// signature in it must be right and by the log or a witness of the policy.
func (p *LogPolicy) check(text, manifest []byte) error {
	if p == nil {
		return nil
	}
	var entry tlog.TLogProof
	if err := entry.Unmarshal(text); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	if len(entry.ExtraData) > 0 || !bytes.Equal(entry.Marshal(), text) {
		return fmt.Errorf("%w: not in its one form", ErrProof)
	}
	checkpoint, _, opened, err := log.ParseCheckpoint(entry.Checkpoint, p.Log.Name(), p.Log, p.Witnesses...)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	if len(opened.UnverifiedSigs) > 0 {
		return fmt.Errorf("%w: signed by %q, who is unknown", ErrProof, opened.UnverifiedSigs[0].Name)
	}
	if !bytes.Equal(noteText(opened), entry.Checkpoint) {
		return fmt.Errorf("%w: not in its one form", ErrProof)
	}
	if witnesses := len(opened.Sigs) - 1; witnesses < p.Quorum {
		return fmt.Errorf("%w: %d witnesses of %d", ErrProof, witnesses, p.Quorum)
	}
	hasher := rfc6962.DefaultHasher
	hashes := make([][]byte, len(entry.Hashes))
	for i := range entry.Hashes {
		hashes[i] = entry.Hashes[i][:]
	}
	if err := proof.VerifyInclusion(hasher, entry.Index, checkpoint.Size, hasher.HashLeaf(manifest), hashes, checkpoint.Hash); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// noteText writes a signed note again: a reader lets doubled signatures and odd
// base64 pass, and both would be bytes that nobody vouches for.
func noteText(n *note.Note) []byte {
	text := []byte(n.Text + "\n")
	for _, sig := range n.Sigs {
		raw, err := base64.StdEncoding.DecodeString(sig.Base64)
		if err != nil {
			return nil
		}
		text = fmt.Appendf(text, "\u2014 %s %s\n", sig.Name, base64.StdEncoding.EncodeToString(raw))
	}
	return text
}
