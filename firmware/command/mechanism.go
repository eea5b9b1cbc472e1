package command

import (
	"fmt"
	"slices"
	"sort"
)

// MechanismType is a PKCS#11 CKM_ number.
type MechanismType uint32

// Use is a set of operations that a mechanism serves.
type Use uint32

const (
	UseGenerate Use = 1 << iota
	UseSign
	UseVerify
	UseEncrypt
	UseDecrypt
	UseDigest
	UseWrap
	UseUnwrap
	UseDerive
	UseEncapsulate
	UseDecapsulate
)

// useNames are the names of the uses, in their order.
var useNames = [...]string{
	"generate", "sign", "verify", "encrypt", "decrypt", "digest", "wrap", "unwrap", "derive", "encapsulate", "decapsulate",
}

// Names returns the names of the uses in the set, in the order of the constants.
func (u Use) Names() []string {
	var names []string
	for i, name := range useNames {
		if u>>i&1 == 1 {
			names = append(names, name)
		}
	}
	return names
}

// MechanismRow describes one mechanism.
type MechanismRow struct {
	Type    MechanismType
	Name    string   // the PKCS#11 name without CKM_
	Keys    []uint64 // CKK_ of the keys it works with, or makes; none for digests
	MinBits uint     // key size; 0 for digests
	MaxBits uint
	Uses    Use
	Approval
	Evidence string // where number and name come from
}

// Approval is what FIPS 140-3 says of a mechanism. A curve, a hash or an IV in
// its parameters may forbid what the row allows.
type Approval struct {
	Approved     bool   // for all uses but Except, with keys from ApprovedBits on
	ApprovedBits uint   // 0 means the least that the mechanism takes
	Except       Use    // uses of an approved mechanism that are not approved
	Legacy       Use    // uses permitted nevertheless, for what was protected long ago
	Basis        string // the publication that says so
}

// ApprovedFor reports whether the FIPS-approved configuration permits a use
// with a key of bits.
func (a Approval) ApprovedFor(use Use, bits uint) bool {
	if a.Legacy&use == use {
		return true
	}
	return a.Approved && a.Except&use == 0 && bits >= a.ApprovedBits
}

// WorksWith reports whether the mechanism works with keys of a type, a CKK_
// number, or makes them.
func (r MechanismRow) WorksWith(keyType uint64) bool { return slices.Contains(r.Keys, keyType) }

// LookupMechanism returns the row of t.
func LookupMechanism(t MechanismType) (MechanismRow, bool) {
	row, _, ok := FindMechanism(t)
	return row, ok
}

// FindMechanism returns the row of t and its place in MechanismTable.
func FindMechanism(t MechanismType) (row MechanismRow, place int, ok bool) {
	i := sort.Search(len(MechanismTable), func(i int) bool { return MechanismTable[i].Type >= t })
	if i == len(MechanismTable) || MechanismTable[i].Type != t {
		return MechanismRow{}, 0, false
	}
	return MechanismTable[i], i, true
}

// String returns the PKCS#11 name without its CKM_ prefix.
func (t MechanismType) String() string {
	if row, ok := LookupMechanism(t); ok {
		return row.Name
	}
	return fmt.Sprintf("mechanism %#x", uint32(t))
}

// Mechanism names a mechanism and gives its parameters. Parameters that the
// mechanism does not take must be absent: StatusMechanismParamInvalid.
type Mechanism struct {
	Type        MechanismType `cbor:"1,keyasint"`
	IV          []byte        `cbor:"2,keyasint,omitempty"`  // CBC: one block; CTR: the first counter block; GCM and GMAC: 1 to 256 bytes
	AAD         []byte        `cbor:"3,keyasint,omitempty"`  // GCM
	TagBits     uint          `cbor:"4,keyasint,omitempty"`  // GCM and GMAC: 96, 104, 112, 120 or 128; 0 means 128
	Hash        MechanismType `cbor:"5,keyasint,omitempty"`  // PSS on a hash made by the host: which hash; for SHA*_RSA_PKCS_PSS 0 or the same; OAEP, HKDF, PBKDF2, ECDH: the hash; SP 800-108: the PRF, an HMAC or AES_CMAC
	SaltLength  *uint         `cbor:"6,keyasint,omitempty"`  // PSS: bytes; absent means the length of the hash
	MGF         MechanismType `cbor:"7,keyasint,omitempty"`  // PSS and OAEP: the hash of MGF1; 0 means that of the mechanism
	Label       []byte        `cbor:"8,keyasint,omitempty"`  // OAEP: label; NIST_PRF_KDF: label
	CounterBits uint          `cbor:"9,keyasint,omitempty"`  // CTR: 1 to 128 bits of the block count, 0 means 128; SP 800-108: 8, 16, 24 or 32, 0 means 32
	PublicData  []byte        `cbor:"10,keyasint,omitempty"` // ECDH: public key of the other side, as a point or as in ec-point
	Info        []byte        `cbor:"11,keyasint,omitempty"` // HKDF: info; ECDH: shared info; SP 800-108: fixed input; NIST_PRF_KDF, ML_DSA: context
	Salt        []byte        `cbor:"12,keyasint,omitempty"` // HKDF, PBKDF2
	Iterations  uint          `cbor:"13,keyasint,omitempty"` // PBKDF2: 1 to 10,000,000
	Password    []byte        `cbor:"14,keyasint,omitempty"` // PBKDF2
	Extract     bool          `cbor:"15,keyasint,omitempty"` // HKDF: do the first step
	Expand      bool          `cbor:"16,keyasint,omitempty"` // HKDF: do the second step
}
