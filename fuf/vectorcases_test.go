package fuf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"usbhsm7/fuf"
	"usbhsm7/fuf/fuftest"
	"usbhsm7/fuf/testkeys"
)

// vectorCase makes one vector.
type vectorCase struct {
	name   string
	reason fuf.Reason
	shows  string
	make   func(*maker) []byte
}

// maker makes files, and may change whom its row trusts and what is typed.
type maker struct {
	t   *testing.T
	row *vector
}

func (m *maker) trust() fuf.Trust {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorDir, m.row.Trust))
	trust, parseErr := fuf.ParseTrust(text)
	if err := errors.Join(err, parseErr); err != nil {
		m.t.Fatal(err)
	}
	return trust
}

func (m *maker) draft(n int) *fuf.Draft { return draft(m.t, release(), content(n)) }

func (m *maker) good() []byte { return sample(m.t, 20) }

// with changes a part of a sound file and puts it together again.
func (m *maker) with(change func(signed, table, chunks []byte) (s, t, c []byte)) []byte {
	m.t.Helper()
	signed, proof, table, chunks, err := fuf.Parts(m.good())
	if err != nil {
		m.t.Fatal(err)
	}
	s, t, c := change(slices.Clone(signed), slices.Clone(table), slices.Clone(chunks))
	return fuf.Assemble(s, proof, t, c)
}

// signedPart replaces bytes of the signed part.
func (m *maker) signedPart(old, with string) []byte {
	return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) {
		if !bytes.Contains(s, []byte(old)) {
			m.t.Fatalf("the signed part has no %x", old)
		}
		return bytes.Replace(s, []byte(old), []byte(with), 1), t, c
	})
}

// forged has the vendor sign a manifest that edit made of a sound one.
func (m *maker) forged(edit func(*fuf.Manifest)) []byte {
	m.t.Helper()
	d := m.draft(20)
	manifest := d.Manifest
	edit(&manifest)
	return m.signManifest(d, manifest)
}

func (m *maker) signManifest(d *fuf.Draft, manifest any) []byte {
	m.t.Helper()
	encoded, err := fuf.Encode(manifest)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.signBytes(d, encoded)
}

func (m *maker) signBytes(d *fuf.Draft, manifest []byte) []byte {
	fuf.Forge(d, manifest)
	return signedBy(m.t, d, testkeys.Vendor()...)
}

// logged returns a file with a proof that some witnesses signed.
func (m *maker) logged(witnesses int) []byte {
	m.t.Helper()
	m.row.Trust = "log.trust.json"
	log, err := fuftest.NewLog(2)
	if err != nil {
		m.t.Fatal(err)
	}
	d := m.draft(20)
	if d.Proof, err = log.Prove(d.LogEntry(), 2, 7, witnesses); err != nil {
		m.t.Fatal(err)
	}
	return signedBy(m.t, d, testkeys.Vendor()...)
}

// logTrust adds a log with two witnesses, of whom one must sign, to a file of
// trust.
func logTrust(trust []byte) ([]byte, error) {
	var fields map[string]any
	if err := json.Unmarshal(trust, &fields); err != nil {
		return nil, err
	}
	keys := make([]string, 3)
	for i, name := range []string{"log.example/updates", "witness.example/0", "witness.example/1"} {
		_, public, err := fuftest.NoteKey(name)
		if err != nil {
			return nil, fmt.Errorf("key of %s: %w", name, err)
		}
		keys[i] = public
	}
	fields["log"] = map[string]any{"key": keys[0], "witnesses": keys[1:], "quorum": 1}
	text, err := json.MarshalIndent(fields, "", "  ")
	return append(text, '\n'), err
}

// The fixed pieces of the signed part, and of its mutants.
const (
	bodyHead   = "\xd8\x62\x84\x58\x1d\xa1\x03\x78\x19application/x-usbhsm7-fuf\xa0"
	edHeader   = "\x83\x55\xa2\x01\x27\x04\x50"
	dsaHeader  = "\x83\x56\xa2\x01\x38\x30\x04\x50"
	manifestA3 = "\xa3\x01\x01\x02"
)

func vectorCases() []vectorCase {
	return slices.Concat(acceptedCases(), shapeCases(), signerCases(), manifestCases(), contentCases(), payloadCases())
}

func acceptedCases() []vectorCase {
	return []vectorCase{
		{"small", "", "a payload of 20 bytes", (*maker).good},
		{"two-chunks", "", "a payload of one whole chunk and 5 bytes", func(m *maker) []byte { return sample(m.t, fuf.ChunkSize+5) }},
		{"capability", "", "a capability update with the shortest manifest", func(m *maker) []byte {
			return signedBy(m.t, draft(m.t, fuf.Release{
				Kind: fuf.Capability, Product: "p", Models: []string{"m"}, ValidFrom: []fuf.Range{{}}, Rollback: fuf.RollbackImpossible,
			}, content(1)), testkeys.Vendor()...)
		}},
		{"two-signers", "", "signed by both of two signers", func(m *maker) []byte {
			m.row.Trust = "both.trust.json"
			return signedBy(m.t, m.draft(20), slices.Concat(testkeys.Vendor(), testkeys.Second())...)
		}},
		{"logged", "", "with a proof of transparency and one witness of two", func(m *maker) []byte { return m.logged(1) }},
		{"unread-proof", "", "with a proof, for a verifier that asks for none", func(m *maker) []byte {
			file := m.logged(2)
			m.row.Trust = "vendor.trust.json"
			return file
		}},
	}
}

func shapeCases() []vectorCase {
	return []vectorCase{
		{"magic-text", fuf.ErrMagic, "CR LF became LF", func(m *maker) []byte { return bytes.Replace(m.good(), []byte("\r\n"), []byte("\n"), 1) }},
		{"length-short", fuf.ErrLength, "the last byte is missing", func(m *maker) []byte { f := m.good(); return f[:len(f)-1] }},
		{"length-long", fuf.ErrLength, "a byte after the end", func(m *maker) []byte { return append(m.good(), 0) }},
		{"length-chunk", fuf.ErrLength, "a byte more in the last chunk, and the preamble says so", func(m *maker) []byte {
			return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) { return s, t, append(c, 0) })
		}},
		{"length-table", fuf.ErrLength, "an entry more in the table, and the preamble says so", func(m *maker) []byte {
			return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) { return s, append(t, t...), c })
		}},
		{"too-large", fuf.ErrTooLarge, "the signed part has 4 GiB less one byte", func(m *maker) []byte {
			f := m.good()
			copy(f[12:], "\xff\xff\xff\xff")
			return f
		}},
		{"profile-tag", fuf.ErrProfile, "COSE_Sign1 in place of COSE_Sign", func(m *maker) []byte { return m.signedPart("\xd8\x62", "\xd2") }},
		{"profile-content", fuf.ErrProfile, "another type of content", func(m *maker) []byte { return m.signedPart("application", "opplication") }},
		{"profile-unprotected", fuf.ErrProfile, "a parameter in the unprotected header", func(m *maker) []byte { return m.signedPart("-fuf\xa0", "-fuf\xa1\x01\x26") }},
		{"profile-long-form", fuf.ErrProfile, "a length that is not in its shortest form", func(m *maker) []byte { return m.signedPart("\x84\x58\x1d", "\x84\x59\x00\x1d") }},
		{"profile-indefinite", fuf.ErrProfile, "an array of indefinite length", func(m *maker) []byte {
			return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) {
				return append(bytes.Replace(s, []byte("\xd8\x62\x84"), []byte("\xd8\x62\x9f"), 1), 0xff), t, c
			})
		}},
		{"profile-trailing", fuf.ErrProfile, "a byte after the signed part's item", func(m *maker) []byte {
			return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) { return append(s, 0), t, c })
		}},
		{"profile-algorithm", fuf.ErrProfile, "ES256 in place of EdDSA", func(m *maker) []byte { return m.signedPart(edHeader, "\x83\x55\xa2\x01\x26\x04\x50") }},
		{"profile-ml-dsa-44", fuf.ErrProfile, "ML-DSA-44 in place of ML-DSA-65", func(m *maker) []byte { return m.signedPart("\x38\x30", "\x38\x2f") }},
		{"profile-order", fuf.ErrProfile, "the signatures in another order", func(m *maker) []byte {
			return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) {
				first, second := bytes.Index(s, []byte(edHeader)), bytes.Index(s, []byte(dsaHeader))
				return slices.Concat(s[:first], s[second:], s[first:second]), t, c
			})
		}},
		{"profile-twice", fuf.ErrProfile, "the Ed25519 signature twice", func(m *maker) []byte {
			return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) {
				first, second := bytes.Index(s, []byte(edHeader)), bytes.Index(s, []byte(dsaHeader))
				s[first-1]++ // elements of the array
				return slices.Concat(s[:second], s[first:second], s[second:]), t, c
			})
		}},
	}
}

func signerCases() []vectorCase {
	vendor, second := testkeys.Vendor(), testkeys.Second()
	return []vectorCase{
		{"signer-unknown", fuf.ErrSigner, "signed by another signer only", func(m *maker) []byte { return signedBy(m.t, m.draft(20), second...) }},
		{"signer-more", fuf.ErrSigner, "signed by another signer too", func(m *maker) []byte {
			return signedBy(m.t, m.draft(20), slices.Concat(vendor, second)...)
		}},
		{"signature-ed25519", fuf.ErrSignature, "a bit of the Ed25519 signature", func(m *maker) []byte { return m.flipAfter(edHeader, 40) }},
		{"signature-ml-dsa-65", fuf.ErrSignature, "a bit of the ML-DSA-65 signature", func(m *maker) []byte { return m.flipAfter(dsaHeader, 2000) }},
		{"signature-manifest", fuf.ErrSignature, "a bit of the manifest", func(m *maker) []byte { return m.flipAfter(bodyHead, 30) }},
		{"unsigned", fuf.ErrUnsigned, "no signature", func(m *maker) []byte { return signedBy(m.t, m.draft(20)) }},
		{"unsigned-ml-dsa-65", fuf.ErrUnsigned, "only an Ed25519 signature", func(m *maker) []byte { return signedBy(m.t, m.draft(20), vendor[0]) }},
		{"unsigned-ed25519", fuf.ErrUnsigned, "only an ML-DSA-65 signature", func(m *maker) []byte { return signedBy(m.t, m.draft(20), vendor[1]) }},
		{"unsigned-halves", fuf.ErrUnsigned, "one key of each of two signers", func(m *maker) []byte {
			m.row.Trust = "either.trust.json"
			return signedBy(m.t, m.draft(20), vendor[0], second[1])
		}},
		{"unsigned-second", fuf.ErrUnsigned, "one signer of two", func(m *maker) []byte { m.row.Trust = "both.trust.json"; return m.good() }},
	}
}

// flipAfter changes a bit in the signed part, n bytes behind a marker.
func (m *maker) flipAfter(marker string, n int) []byte {
	return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) {
		s[bytes.Index(s, []byte(marker))+len(marker)+n] ^= 4
		return s, t, c
	})
}

func manifestCases() []vectorCase {
	// rewritten has the vendor sign the bytes of a sound manifest after a change.
	rewritten := func(change func(b []byte) []byte) func(*maker) []byte {
		return func(m *maker) []byte {
			d := m.draft(20)
			if !bytes.HasPrefix(d.LogEntry(), []byte(manifestA3)) {
				m.t.Fatalf("the manifest begins with %x", d.LogEntry()[:4])
			}
			return m.signBytes(d, change(d.LogEntry()))
		}
	}
	return []vectorCase{
		{"schema-later", fuf.ErrSchema, "schema 2, with a field of its own", func(m *maker) []byte {
			return m.signManifest(m.draft(20), map[int]any{1: 2, 9: "new"})
		}},
		{"encoding-trailing", fuf.ErrEncoding, "a byte after the manifest", rewritten(func(b []byte) []byte { return append(b, 0) })},
		{"encoding-long-form", fuf.ErrEncoding, "a number that is not in its shortest form", rewritten(func(b []byte) []byte {
			return slices.Concat(b[:2], []byte{0x18, 1}, b[3:])
		})},
		{"encoding-twice", fuf.ErrEncoding, "a key twice", rewritten(func(b []byte) []byte { return slices.Concat([]byte{0xa4, 1, 1}, b[1:]) })},
		{"encoding-unknown", fuf.ErrEncoding, "an unknown key", rewritten(func(b []byte) []byte { return slices.Concat([]byte{0xa4}, b[1:], []byte{4, 0}) })},
		{"encoding-order", fuf.ErrEncoding, "keys that are not sorted", rewritten(func(b []byte) []byte { return slices.Concat(b[:1], b[3:], b[1:3]) })},
		{"manifest-kind", fuf.ErrManifest, "an unknown kind", func(m *maker) []byte { return m.forged(func(x *fuf.Manifest) { x.Release.Kind = 9 }) }},
		{"manifest-models", fuf.ErrManifest, "models that are not sorted", func(m *maker) []byte { return m.forged(func(x *fuf.Manifest) { slices.Reverse(x.Release.Models) }) }},
		{"manifest-ranges", fuf.ErrManifest, "versions that overlap", func(m *maker) []byte {
			return m.forged(func(x *fuf.Manifest) {
				x.Release.ValidFrom = []fuf.Range{{From: fuf.V(7, 0, 0), To: fuf.V(7, 9, 0)}, {From: fuf.V(7, 8, 0), To: fuf.V(7, 9, 2)}}
			})
		}},
		{"manifest-notes", fuf.ErrManifest, "notes with an escape sequence", func(m *maker) []byte { return m.forged(func(x *fuf.Manifest) { x.Release.Notes = "\x1b[2J" }) }},
		{"manifest-size", fuf.ErrManifest, "a payload beyond the limit", func(m *maker) []byte { return m.forged(func(x *fuf.Manifest) { x.Release.Size = fuf.MaxPayload + 1 }) }},
		{"length-payload", fuf.ErrLength, "a payload that is one byte larger than signed", func(m *maker) []byte { return m.forged(func(x *fuf.Manifest) { x.Release.Size-- }) }},
	}
}

func contentCases() []vectorCase {
	flip := func(b []byte, i int) []byte { b[i] ^= 1; return b }
	return []vectorCase{
		{"table-digest", fuf.ErrTable, "a bit of a chunk's digest", func(m *maker) []byte {
			return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) { return s, flip(t, 3), c })
		}},
		{"table-tag", fuf.ErrTable, "a bit of a chunk's tag", func(m *maker) []byte {
			return m.with(func(s, t, c []byte) ([]byte, []byte, []byte) { return s, flip(t, 40), c })
		}},
		{"proof-missing", fuf.ErrProof, "no proof where one is demanded", func(m *maker) []byte { m.row.Trust = "log.trust.json"; return m.good() }},
		{"proof-witness", fuf.ErrProof, "a proof that no witness signed", func(m *maker) []byte { return m.logged(0) }},
		{"proof-index", fuf.ErrProof, "a proof of another place in the log", func(m *maker) []byte {
			return bytes.Replace(m.logged(1), []byte("index 2\n"), []byte("index 3\n"), 1)
		}},
		{"chunk-bit", fuf.ErrChunk, "a bit of the only chunk", func(m *maker) []byte { f := m.good(); return flip(f, len(f)-1) }},
		{"chunk-swap", fuf.ErrChunk, "two whole chunks in each other's place", func(m *maker) []byte {
			for name, mutant := range fuftest.Exchanges(sample(m.t, 2*fuf.ChunkSize)) {
				if name == "swap:0,1" {
					return slices.Clone(mutant)
				}
			}
			return nil
		}},
		{"recipient", fuf.ErrRecipient, "a device of other models", func(m *maker) []byte { m.row.Models = "other-models.pem"; return m.good() }},
		{"authcode-wrong", fuf.ErrAuthcode, "another code", func(m *maker) []byte { m.row.Authcode = "5/Rd79MAGd/G9EY5"; return m.good() }},
		{"authcode-short", fuf.ErrAuthcode, "a character too few", func(m *maker) []byte { m.row.Authcode = code.Text()[:15]; return m.good() }},
		{"authcode-release", fuf.ErrAuthcode, "another release signed over the same chunks", func(m *maker) []byte {
			return m.forged(func(x *fuf.Manifest) { x.Release.SecurityVersion++ })
		}},
		{"payload", fuf.ErrPayload, "an author who states another digest of the payload", func(m *maker) []byte { return m.liar() }},
	}
}

// liar returns a file whose author states another digest of the payload.
func (m *maker) liar() []byte {
	m.t.Helper()
	r := release()
	r.Size, r.Digest = 20, fuf.Digest{1}
	d, err := fuf.Describe(r, content(20), testkeys.Models().PublicKey(), code)
	if err != nil {
		m.t.Fatal(err)
	}
	return signedBy(m.t, d, testkeys.Vendor()...)
}
