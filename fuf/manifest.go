package fuf

import (
	"encoding/hex"
	"fmt"
)

// Schema is the only schema of a manifest there is.
const Schema = 1

// Manifest is the signed description of a file.
type Manifest struct {
	Schema  uint    `cbor:"1,keyasint" json:"schema"`
	Release Release `cbor:"2,keyasint" json:"release"` // what the author says
	Sealing Sealing `cbor:"3,keyasint" json:"sealing"` // what encryption made of the payload
}

// Release says what a payload is, where it may be installed and what that does.
// Lists are sorted and name nothing twice.
type Release struct {
	Kind            Kind         `cbor:"1,keyasint" json:"kind"`
	Product         string       `cbor:"2,keyasint" json:"product"`
	Models          []string     `cbor:"3,keyasint" json:"models"` // hardware that takes it; at least one
	Version         Version      `cbor:"4,keyasint" json:"version"`
	SecurityVersion uint32       `cbor:"5,keyasint" json:"security_version"` // never falls on a device, once confirmed
	ValidFrom       []Range      `cbor:"6,keyasint" json:"valid_from"`       // firmware that it may replace or be added to; at least one
	MinBootloader   Version      `cbor:"7,keyasint" json:"min_bootloader"`
	MinClient       Version      `cbor:"8,keyasint" json:"min_client"`
	Data            DataChange   `cbor:"9,keyasint" json:"data"`
	Rollback        Rollback     `cbor:"10,keyasint" json:"rollback"`
	Requires        Requirements `cbor:"11,keyasint" json:"requires"`
	Notes           string       `cbor:"12,keyasint,omitempty" json:"notes,omitempty"`        // for people
	NotesDigest     *Digest      `cbor:"13,keyasint,omitempty" json:"notes_digest,omitempty"` // of a longer document, SHA-256
	Provenance      Provenance   `cbor:"14,keyasint" json:"provenance"`                       // where the payload comes from
	NotBefore       int64        `cbor:"15,keyasint,omitempty" json:"not_before,omitempty"`   // seconds since 1970, UTC; 0 = any time
	NotAfter        int64        `cbor:"16,keyasint,omitempty" json:"not_after,omitempty"`    // seconds since 1970, UTC; 0 = for ever
	Size            uint32       `cbor:"17,keyasint" json:"size,omitzero"`                    // of the payload, bytes
	Digest          Digest       `cbor:"18,keyasint" json:"digest,omitzero"`                  // of the payload, SHA-256
}

// Sealing is how the payload is encrypted.
type Sealing struct {
	Recipient  KeyID  `cbor:"1,keyasint" json:"recipient"`  // key of the group of models
	Enc        []byte `cbor:"2,keyasint" json:"enc"`        // encapsulated secret, 1,120 bytes
	Commitment Digest `cbor:"3,keyasint" json:"commitment"` // to the key of the chunks
	Root       Digest `cbor:"4,keyasint" json:"root"`       // of the table of chunks, RFC 6962
}

// DataChange is what an update does with the data that the device stores. Each
// format of the data has a number, its data schema.
type DataChange struct {
	From    uint32    `cbor:"1,keyasint" json:"from"`    // oldest data schema that it reads
	To      uint32    `cbor:"2,keyasint" json:"to"`      // data schema that it leaves; From or later
	Class   Migration `cbor:"3,keyasint" json:"class"`   // how it gets there
	Minutes uint32    `cbor:"4,keyasint" json:"minutes"` // estimate of how long that takes
}

// Requirements are what a device must fulfil apart from its model and versions.
type Requirements struct {
	PoliciesOff []uint32 `cbor:"1,keyasint,omitempty" json:"policies_off,omitempty"` // HSM policies that must be off
	FreePercent uint32   `cbor:"2,keyasint,omitempty" json:"free_percent,omitempty"` // of the storage
}

// Provenance says how to make the payload again.
type Provenance struct {
	Commit    string  `cbor:"1,keyasint,omitempty" json:"commit,omitempty"`    // of the sources
	Toolchain string  `cbor:"2,keyasint,omitempty" json:"toolchain,omitempty"` // such as go1.26.8
	Digest    *Digest `cbor:"3,keyasint,omitempty" json:"digest,omitempty"`    // of the statement of the build, SHA-256
}

// Digest is a SHA-256 digest. Its text is hexadecimal.
type Digest [32]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText is String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Digest) UnmarshalText(text []byte) error { return decodeHex(d[:], text) }

// KeyID names a public key: the first 16 bytes of its SHA-256 digest. Its text is
// hexadecimal.
type KeyID [16]byte

func (k KeyID) String() string { return hex.EncodeToString(k[:]) }

// MarshalText is String.
func (k KeyID) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (k *KeyID) UnmarshalText(text []byte) error { return decodeHex(k[:], text) }

func decodeHex(dst, text []byte) error {
	if len(text) != hex.EncodedLen(len(dst)) {
		return fmt.Errorf("%d characters, not the %d of %d bytes in hexadecimal", len(text), hex.EncodedLen(len(dst)), len(dst))
	}
	_, err := hex.Decode(dst, text)
	return err
}
