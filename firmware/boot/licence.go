package boot

import (
	"cmp"
	"fmt"
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

func (l *Licence) rules() []rule {
	return []rule{
		{l.Schema == LicenceSchema, fmt.Sprintf("the schema must be %d", LicenceSchema)},
		{isName(l.Name), "it must have a name"},
		{l.Serial == "" || isName(l.Serial), "the serial number must be one"},
		{ascending(l.Grants, compareGrants), "grants must be sorted by table and number"},
		{every(l.Grants, func(g Grant) bool { return g.Table.isKnown() }), "a grant must be of a table that there is"},
		{l.Storage >= 0 && (l.Storage > 0 || len(l.Grants) > 0), "it must grant something"},
	}
}

func compareGrants(a, b Grant) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.ID, b.ID))
}

// Encode returns the licence in deterministic CBOR. The error carries ErrImage if it
// makes no sense.
func (l *Licence) Encode() ([]byte, error) { return encode(l) }

// DecodeLicence reads what Encode wrote. It takes no other encoding of the same
// meaning; the error carries ErrImage.
func DecodeLicence(encoded []byte) (*Licence, error) { return decode[Licence](encoded) }

// ParseLicence reads a licence that a person has written, in JSON. The error carries
// ErrImage.
func ParseLicence(text []byte) (*Licence, error) { return parse[Licence](text) }
