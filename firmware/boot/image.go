package boot

import (
	"fmt"
	"slices"

	"usbhsm7/fuf"
)

// ImageSchema is the only schema of an image there is.
const ImageSchema = 1

// Image is firmware: the payload of a firmware update. It is data, which the
// program that runs it is told by: what it changes is relative to the tables that
// are built in. Lists are sorted and name nothing twice.
type Image struct {
	Schema          uint        `cbor:"1,keyasint" json:"schema"`
	Name            string      `cbor:"2,keyasint" json:"name"`
	Version         fuf.Version `cbor:"3,keyasint" json:"version"`
	SecurityVersion uint32      `cbor:"4,keyasint" json:"security_version"`
	DataSchema      uint32      `cbor:"5,keyasint" json:"data_schema"` // of the data that it leaves on the device
	Migrations      []Migration `cbor:"6,keyasint,omitempty" json:"migrations,omitempty"`
	Policies        []Policy    `cbor:"7,keyasint,omitempty" json:"policies,omitempty"`
	Mechanisms      []Mechanism `cbor:"8,keyasint,omitempty" json:"mechanisms,omitempty"`
	Models          []Model     `cbor:"9,keyasint,omitempty" json:"models,omitempty"`
	Modules         []Module    `cbor:"10,keyasint,omitempty" json:"modules,omitempty"`
	Resources       []byte      `cbor:"11,keyasint,omitempty" json:"resources,omitempty"` // such as pictures and texts of the screen
}

// Migration brings stored data from one data schema to the next.
type Migration struct {
	From  uint32        `cbor:"1,keyasint" json:"from"` // to From + 1
	Class fuf.Migration `cbor:"2,keyasint" json:"class"`
	Note  string        `cbor:"3,keyasint,omitempty" json:"note,omitempty"` // what it does, for people
}

// Table says of which table a policy is.
type Table uint8

// The tables of policies.
const (
	HSMPolicies       Table = 1
	PartitionPolicies Table = 2
)

var tableNames = []string{HSMPolicies: "hsm", PartitionPolicies: "partition"}

// String returns "hsm" or "partition".
func (t Table) String() string {
	if t.isKnown() {
		return tableNames[t]
	}
	return fmt.Sprintf("table %d", uint8(t))
}

func (t Table) isKnown() bool { return int(t) < len(tableNames) && tableNames[t] != "" }

// MarshalText is String.
func (t Table) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads "hsm" or "partition".
func (t *Table) UnmarshalText(text []byte) error {
	i := slices.Index(tableNames, string(text))
	if i < int(HSMPolicies) {
		return fmt.Errorf("%q is no table of policies: hsm or partition", text)
	}
	*t = Table(i)
	return nil
}

// Policy adds a row to a table of policies, puts it in the place of the one that
// is built in, or withholds that: then nobody can see it.
type Policy struct {
	Table      Table  `cbor:"1,keyasint" json:"table"`
	ID         uint8  `cbor:"2,keyasint" json:"id"`
	Withheld   bool   `cbor:"3,keyasint,omitempty" json:"withheld,omitempty"`
	Name       string `cbor:"4,keyasint,omitempty" json:"name,omitempty"`
	Capability uint16 `cbor:"5,keyasint,omitempty" json:"capability,omitempty"`
	Default    uint16 `cbor:"6,keyasint,omitempty" json:"default,omitempty"`
	Least      uint16 `cbor:"7,keyasint,omitempty" json:"least,omitempty"`
	Most       uint16 `cbor:"8,keyasint,omitempty" json:"most,omitempty"`
	Destroys   uint8  `cbor:"9,keyasint,omitempty" json:"destroys,omitempty"` // 1 when it is turned off, 2 when it is turned on, 3 both
}

// Mechanism permits or withholds a mechanism that is built in.
type Mechanism struct {
	Type     uint32 `cbor:"1,keyasint" json:"type"`
	Withheld bool   `cbor:"2,keyasint,omitempty" json:"withheld,omitempty"`
}

// Model says what a model has that differs from what is built in.
type Model struct {
	Name    string `cbor:"1,keyasint" json:"name"`
	Storage int64  `cbor:"2,keyasint" json:"storage"` // room for token objects, bytes
}

// Module is a functional module: one that comes with the firmware, or the payload of a
// file of its own.
type Module struct {
	Name    string      `cbor:"1,keyasint" json:"name"`
	Version fuf.Version `cbor:"2,keyasint" json:"version"`
	Code    []byte      `cbor:"3,keyasint" json:"code"` // WebAssembly
}

// Encode returns the image in deterministic CBOR (RFC 8949, section 4.2.1). The
// error carries ErrImage if it makes no sense.
func (m *Image) Encode() ([]byte, error) { return encode(m) }

// DecodeImage reads what Encode wrote. It takes no other encoding of the same
// meaning; the error carries ErrImage.
func DecodeImage(encoded []byte) (*Image, error) { return decode[Image](encoded) }

// ParseImage reads an image that a person has written, in JSON. The error carries
// ErrImage.
func ParseImage(text []byte) (*Image, error) { return parse[Image](text) }

// fits reports whether the image is what a release promises.
func (m *Image) fits(r *fuf.Release) error {
	if m.Version != r.Version || m.SecurityVersion != r.SecurityVersion || m.DataSchema != r.Data.To {
		return fmt.Errorf("%w: version %v, security version %d, data schema %d; the manifest says %v, %d, %d", ErrImage,
			m.Version, m.SecurityVersion, m.DataSchema, r.Version, r.SecurityVersion, r.Data.To)
	}
	return nil
}
