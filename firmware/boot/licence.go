package boot

import (
	"cmp"
	"fmt"

	"usbhsm7/fuf"
)

// LicenceSchema is the only schema of a licence there is.
const LicenceSchema = 1

// Licence is the payload of a capability update: what the owner of a device may do
// beyond what the firmware permits by itself. Lists are sorted and name nothing
// twice.
type Licence struct {
	Schema   uint    `cbor:"1,keyasint" json:"schema"`
	ID       uint32  `cbor:"2,keyasint" json:"id"` // a device takes each once
	Name     string  `cbor:"3,keyasint" json:"name"`
	Serial   string  `cbor:"4,keyasint,omitempty" json:"serial,omitempty"`   // of the one device that it is for; empty = any
	Destroys bool    `cbor:"5,keyasint,omitempty" json:"destroys,omitempty"` // the partition and all that is in it
	Grants   []Grant `cbor:"6,keyasint,omitempty" json:"grants,omitempty"`   // capabilities that rise
	Storage  int64   `cbor:"7,keyasint,omitempty" json:"storage,omitempty"`  // room for token objects, bytes; 0 = as before
}

// Grant raises a capability that the firmware knows.
type Grant struct {
	Table      Table  `cbor:"1,keyasint" json:"table"`
	ID         uint8  `cbor:"2,keyasint" json:"id"`
	Capability uint16 `cbor:"3,keyasint" json:"capability"`
}

func (l *Licence) check() error {
	for _, rule := range []struct {
		ok   bool
		must string
	}{
		{l.Schema == LicenceSchema, fmt.Sprintf("the schema must be %d", LicenceSchema)},
		{isName(l.Name), "it must have a name"},
		{l.Serial == "" || isName(l.Serial), "the serial number must be one"},
		{ascending(l.Grants, compareGrants), "grants must be sorted by table and number"},
		{every(l.Grants, func(g Grant) bool { return g.Table == HSMPolicies || g.Table == PartitionPolicies }), "a grant must be of a table that there is"},
		{l.Storage >= 0 && (l.Storage > 0 || len(l.Grants) > 0), "it must grant something"},
	} {
		if !rule.ok {
			return fmt.Errorf("%w: licence: %s", ErrImage, rule.must)
		}
	}
	return nil
}

func compareGrants(a, b Grant) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.ID, b.ID))
}

// Encode returns the licence in deterministic CBOR. The error carries ErrImage if it
// makes no sense.
func (l *Licence) Encode() ([]byte, error) { return encode(l) }

// DecodeLicence reads what Encode wrote. It takes no other encoding of the same
// meaning; the error carries ErrImage.
func DecodeLicence(encoded []byte) (*Licence, error) {
	l := new(Licence)
	if err := decode(encoded, l); err != nil {
		return nil, err
	}
	return l, nil
}

// ParseLicence reads a licence that a person has written, in JSON. The error carries
// ErrImage.
func ParseLicence(text []byte) (*Licence, error) {
	l := new(Licence)
	return l, parse(text, l)
}

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
	return &release, payload, b.verifier.Check(u, payload)
}

// open decrypts the chunks of a file.
func open(u *fuf.Update, key *fuf.Key, chunks []byte) (payload []byte, err error) {
	if len(chunks) != u.Size()-u.HeadSize() {
		return nil, fmt.Errorf("%w: %d bytes of chunks, not %d", fuf.ErrLength, len(chunks), u.Size()-u.HeadSize())
	}
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
