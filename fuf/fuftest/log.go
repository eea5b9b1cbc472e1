package fuftest

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	tlog "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// Log is a log of transparency with witnesses, whose keys are published like those
// of package testkeys.
type Log struct {
	signer    note.Signer
	verifier  note.Verifier
	witnesses []*fnote.Signer
}

// NewLog returns a log that n witnesses watch.
func NewLog(n int) (*Log, error) {
	private, public, err := NoteKey("log.example/updates")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, err
	}
	l := &Log{signer: signer, verifier: verifier}
	for i := range n {
		private, _, err := NoteKey(fmt.Sprintf("witness.example/%d", i))
		if err != nil {
			return nil, err
		}
		witness, err := fnote.NewSignerForCosignatureV1(private)
		if err != nil {
			return nil, err
		}
		l.witnesses = append(l.witnesses, witness)
	}
	return l, nil
}

// NoteKey returns the published Ed25519 key with a name in the text form of signed
// notes: private and public.
func NoteKey(name string) (private, public string, err error) {
	seed := testkeys.Seed(name)
	key := ed25519.NewKeyFromSeed(seed)
	public, err = note.NewEd25519VerifierKey(name, key.Public().(ed25519.PublicKey))
	if err != nil {
		return "", "", err
	}
	parts := strings.SplitN(public, "+", 3) // name, hash, key
	private = "PRIVATE+KEY+" + name + "+" + parts[1] + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seed...))
	return private, public, nil
}

// Policy demands a proof by this log that quorum of its witnesses cosigned.
func (l *Log) Policy(quorum int) *fuf.LogPolicy {
	p := &fuf.LogPolicy{Log: l.verifier, Quorum: quorum}
	for _, w := range l.witnesses {
		p.Witnesses = append(p.Witnesses, w.Verifier())
	}
	return p
}

// Prove logs entry as the one with number index of size entries and returns the
// proof, cosigned by the first witnesses of the log.
func (l *Log) Prove(entry []byte, index, size uint64, witnesses int) ([]byte, error) {
	nodes, err := proof.Inclusion(index, size)
	if err != nil {
		return nil, err
	}
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	hashes := map[compact.NodeID][]byte{}
	for i := range size {
		leaf := fmt.Appendf(nil, "entry %d", i)
		if i == index {
			leaf = entry
		}
		hash := rfc6962.DefaultHasher.HashLeaf(leaf)
		hashes[compact.NewNodeID(0, i)] = hash
		if err := tree.Append(hash, func(id compact.NodeID, h []byte) { hashes[id] = h }); err != nil {
			return nil, err
		}
	}
	root, err := tree.GetRootHash(func(id compact.NodeID, h []byte) { hashes[id] = h })
	if err != nil {
		return nil, err
	}
	path := make([][]byte, len(nodes.IDs))
	for i, id := range nodes.IDs {
		path[i] = hashes[id]
	}
	if path, err = nodes.Rehash(path, rfc6962.DefaultHasher.HashChildren); err != nil {
		return nil, err
	}
	checkpoint, err := l.sign(log.Checkpoint{Origin: l.verifier.Name(), Size: size, Hash: root}, witnesses)
	if err != nil {
		return nil, err
	}
	p := tlog.TLogProof{Index: index, Checkpoint: checkpoint}
	for _, h := range path {
		p.Hashes = append(p.Hashes, [32]byte(h))
	}
	return p.Marshal(), nil
}

func (l *Log) sign(c log.Checkpoint, witnesses int) ([]byte, error) {
	signers := []note.Signer{l.signer}
	for _, w := range l.witnesses[:witnesses] {
		signers = append(signers, w)
	}
	return note.Sign(&note.Note{Text: string(c.Marshal())}, signers...)
}
