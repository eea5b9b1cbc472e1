package fuf_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"

	"filippo.io/mldsa"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/veraison/go-cose"

	"usbhsm7/fuf/fuftest"
	"usbhsm7/fuf/testkeys"
)

// The oracle verifies a file by the vendor with other people's code: go-cose for
// the signed part, circl for ML-DSA, and a walk over CBOR of its own. It shares
// nothing with the package but the specification.

var errOracle = errors.New("the oracle refuses")

// must turns what has to hold into the oracle's verdict.
func must(conditions ...bool) error {
	for _, c := range conditions {
		if !c {
			return errOracle
		}
	}
	return nil
}

// lattice is ML-DSA-65 of circl as go-cose wants it.
type lattice struct{ key *mldsa65.PublicKey }

func (l lattice) Algorithm() cose.Algorithm { return -49 }

func (l lattice) Verify(content, signature []byte) error {
	return must(mldsa65.Verify(l.key, content, nil, signature))
}

func oracle(file []byte) error {
	if err := must(len(file) > 24 && string(file[:8]) == "\x89FUF\r\n\x1a\n"); err != nil {
		return err
	}
	at := func(i int) int { return int(binary.LittleEndian.Uint32(file[i:])) }
	total, signed, proof, table := at(8), at(12), at(16), at(20)
	head := 24 + signed + proof + table
	if err := must(total == len(file), signed <= 65536, proof == 0, table > 0, table%48 == 0, head < total); err != nil {
		return err
	}
	manifest, err := oracleSigned(file[24:][:signed])
	if err != nil {
		return err
	}
	return oraclePayload(manifest, file[24+signed:head], file[head:])
}

// oracleSigned verifies both signatures and returns the manifest.
func oracleSigned(part []byte) (item, error) {
	keys := testkeys.Vendor()
	var circl mldsa65.PublicKey
	if err := circl.UnmarshalBinary(keys[1].Public().(*mldsa.PublicKey).Bytes()); err != nil {
		return item{}, err
	}
	first, err := cose.NewVerifier(cose.AlgorithmEdDSA, keys[0].Public())
	if err != nil {
		return item{}, err
	}
	whole, ok := walk(part)
	if !ok {
		return item{}, errOracle
	}
	var message cose.SignMessage
	if err := message.UnmarshalCBOR(part); err != nil {
		return item{}, err
	}
	if err := must(len(message.Signatures) == 2, len(message.Headers.RawUnprotected) == 1, whole.shape() == "tag[bytes{}bytes[[bytes{}bytes][bytes{}bytes]]]"); err != nil {
		return item{}, err
	}
	if err := message.Verify([]byte("usbhsm7 update file, schema 1"), first, lattice{&circl}); err != nil {
		return item{}, err
	}
	for i, s := range message.Signatures {
		kid, _ := s.Headers.Protected[cose.HeaderLabelKeyID].([]byte)
		raw := [][]byte{keys[0].Public().(ed25519.PublicKey), keys[1].Public().(*mldsa.PublicKey).Bytes()}[i]
		sum := sha256.Sum256(raw)
		if err := must(len(s.Headers.Protected) == 2, bytes.Equal(kid, sum[:16])); err != nil {
			return item{}, err
		}
	}
	if err := must(len(message.Headers.Protected) == 1, message.Headers.Protected[int64(3)] == "application/x-usbhsm7-fuf"); err != nil {
		return item{}, err
	}
	manifest, ok := walk(message.Payload)
	return manifest, must(ok)
}

// oraclePayload compares table and chunks with the manifest.
func oraclePayload(manifest item, table, chunks []byte) error {
	size := int(manifest.at(2).at(17).number)
	var leaves [][]byte
	for begin := 0; begin < size; begin += 16384 {
		n := min(16384, size-begin) + 16
		if len(table) < 48 || len(chunks) < n {
			return errOracle
		}
		digest := sha256.Sum256(chunks[:n])
		if err := must(bytes.Equal(digest[:], table[:32])); err != nil {
			return err
		}
		leaf := sha256.Sum256(append([]byte{0}, table[:48]...))
		leaves = append(leaves, leaf[:])
		table, chunks = table[48:], chunks[n:]
	}
	return must(manifest.at(1).number == 1, len(table) == 0, len(chunks) == 0, len(leaves) > 0,
		bytes.Equal(merkleRoot(leaves), manifest.at(3).at(4).bytes))
}

// merkleRoot is the recursion of RFC 6962, section 2.1.
func merkleRoot(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	node := sha256.Sum256(append(append([]byte{1}, merkleRoot(leaves[:k])...), merkleRoot(leaves[k:])...))
	return node[:]
}

func TestAnIndependentVerifierAgreesOnEveryMutant(t *testing.T) {
	small, large := sample(t, 50), sample(t, 2*16384+7)
	for name, file := range map[string][]byte{"small": small, "large": large} {
		if err := errors.Join(oracle(file), verify(file)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	agree := func(name string, mutant []byte) {
		t.Helper()
		if theirs, ours := oracle(mutant), verify(mutant); (theirs == nil) != (ours == nil) {
			t.Errorf("%s: the oracle says %v, we say %v", name, theirs, ours)
		}
	}
	step := 37
	if testing.Short() {
		step *= 5
	}
	if *sweep {
		step = 1
	}
	next := 0
	for name, mutant := range fuftest.Mutants(small) {
		if next%step == 0 {
			agree(name, mutant)
		}
		next++
	}
	for name, mutant := range fuftest.Exchanges(large) {
		agree(name, mutant)
	}
	for name, mutant := range fuftest.Mixtures(large, sample(t, 2*16384+7)) {
		agree(name, mutant)
	}
}
