package fuf

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"filippo.io/mldsa"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// trustFile is Trust as a file of JSON.
type trustFile struct {
	Signers   []signerFile `json:"signers"`
	Threshold int          `json:"threshold,omitempty"`
	Log       *logFile     `json:"log,omitempty"`
}

type signerFile struct {
	Name    string `json:"name"`
	Ed25519 []byte `json:"ed25519"`   // base64
	MLDSA65 []byte `json:"ml-dsa-65"` // base64
}

// logFile has its keys in the text form of signed notes (c2sp.org/signed-note).
type logFile struct {
	Key       string   `json:"key"`
	Witnesses []string `json:"witnesses,omitempty"`
	Quorum    int      `json:"quorum,omitempty"`
}

// NewSigner returns the signer with a name and with two public keys, an Ed25519
// and an ML-DSA-65 key in any order.
func NewSigner(name string, keys ...crypto.PublicKey) (Signer, error) {
	s := Signer{Name: name}
	for _, key := range keys {
		switch key := key.(type) {
		case ed25519.PublicKey:
			s.Ed25519 = key
		case *mldsa.PublicKey:
			s.MLDSA65 = key
		}
	}
	if len(keys) != 2 || len(s.Ed25519) != ed25519.PublicKeySize || s.MLDSA65 == nil || s.MLDSA65.Parameters() != mldsa.MLDSA65() {
		return s, fmt.Errorf("%w: a signer has an Ed25519 and an ML-DSA-65 key", ErrKeyFile)
	}
	return s, nil
}

// EncodeTrust returns the file that ParseTrust reads, of trust without a log:
// verifiers of notes do not tell their keys.
func EncodeTrust(t Trust) ([]byte, error) {
	if t.Log != nil {
		return nil, fmt.Errorf("%w: the policy of a log has to be written by hand", ErrKeyFile)
	}
	f := trustFile{Threshold: t.Threshold}
	for _, s := range t.Signers {
		if s.MLDSA65 == nil {
			return nil, fmt.Errorf("%w: signer %q has no ML-DSA-65 key", ErrKeyFile, s.Name)
		}
		f.Signers = append(f.Signers, signerFile{s.Name, s.Ed25519, s.MLDSA65.Bytes()})
	}
	text, err := json.MarshalIndent(f, "", "  ")
	return append(text, '\n'), err
}

// ParseTrust reads a file that says whom to trust; docs/fuf-format.md describes
// it.
func ParseTrust(text []byte) (Trust, error) {
	var f trustFile
	if err := parseJSON(text, &f); err != nil {
		return Trust{}, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	t := Trust{Threshold: f.Threshold}
	for _, s := range f.Signers {
		lattice, err := mldsa.NewPublicKey(mldsa.MLDSA65(), s.MLDSA65)
		if err != nil {
			return Trust{}, fmt.Errorf("%w: signer %q: %w", ErrKeyFile, s.Name, err)
		}
		signer, err := NewSigner(s.Name, ed25519.PublicKey(s.Ed25519), lattice)
		if err != nil {
			return Trust{}, fmt.Errorf("signer %q: %w", s.Name, err)
		}
		t.Signers = append(t.Signers, signer)
	}
	if len(t.Signers) < max(1, t.Threshold) {
		return Trust{}, fmt.Errorf("%w: %d signers, of whom %d must sign", ErrKeyFile, len(t.Signers), t.Threshold)
	}
	if f.Log == nil {
		return t, nil
	}
	policy, err := f.Log.policy()
	t.Log = policy
	return t, err
}

func (f *logFile) policy() (*LogPolicy, error) {
	key, err := note.NewVerifier(f.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: log: %w", ErrKeyFile, err)
	}
	p := &LogPolicy{Log: key, Quorum: f.Quorum}
	for _, text := range f.Witnesses {
		witness, err := fnote.NewVerifierForCosignatureV1(text)
		if err != nil {
			return nil, fmt.Errorf("%w: witness: %w", ErrKeyFile, err)
		}
		p.Witnesses = append(p.Witnesses, witness)
	}
	if len(p.Witnesses) < p.Quorum {
		return nil, fmt.Errorf("%w: %d witnesses, of whom %d must sign", ErrKeyFile, len(p.Witnesses), p.Quorum)
	}
	return p, f.apart()
}

// apart refuses a log and witnesses of whom two are the same: whoever is there twice
// would be half of a quorum alone. The keys have been read before.
func (f *logFile) apart() error {
	names, owners := map[string]bool{}, map[string]string{}
	for _, text := range append([]string{f.Key}, f.Witnesses...) {
		name, rest, _ := strings.Cut(text, "+")
		_, encoded, _ := strings.Cut(rest, "+")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(key) == 0 {
			return fmt.Errorf("%w: the key of %q", ErrKeyFile, name)
		}
		public := string(key[1:]) // behind its kind: a key may have more than one
		if owner, there := owners[public]; there {
			return fmt.Errorf("%w: witness %q has the same key as %q and would count twice", ErrKeyFile, name, owner)
		}
		if names[name] {
			return fmt.Errorf("%w: another has the same name as witness %q, who would count twice", ErrKeyFile, name)
		}
		names[name], owners[public] = true, name
	}
	return nil
}

// ParseRelease reads a release from JSON, as an author writes it: without the size
// and the digest of the payload.
func ParseRelease(text []byte) (Release, error) {
	var r Release
	if err := parseJSON(text, &r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return r, nil
}

// parseJSON reads one value without fields that nobody knows.
func parseJSON(text []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if decoder.More() {
		return fmt.Errorf("something after the end")
	}
	return nil
}
