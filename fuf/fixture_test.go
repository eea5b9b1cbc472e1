package fuf_test

import (
	"bytes"
	"crypto"
	"testing"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// release is a release with a value in every field.
func release() fuf.Release {
	return fuf.Release{
		Kind:            fuf.Firmware,
		Product:         "usbhsm7",
		Models:          []string{"U700", "U750", "U790"},
		Version:         fuf.V(7, 9, 3),
		SecurityVersion: 4,
		ValidFrom:       []fuf.Range{{From: fuf.V(7, 7, 0), To: fuf.V(7, 7, 2)}, {From: fuf.V(7, 9, 0), To: fuf.V(7, 9, 2)}},
		MinBootloader:   fuf.V(1, 1, 5),
		MinClient:       fuf.V(10, 9, 0),
		Data:            fuf.DataChange{From: 1, To: 2, Class: fuf.MigrateInPlace, Minutes: 15},
		Rollback:        fuf.RollbackDestroys,
		Requires:        fuf.Requirements{PoliciesOff: []uint32{46, 50}, FreePercent: 40},
		Notes:           "Corrects the reporting of policy 49.\n",
		NotesDigest:     &fuf.Digest{1},
		Provenance:      fuf.Provenance{Commit: "0123abcd", Toolchain: "go1.26.8", Digest: &fuf.Digest{2}},
		NotBefore:       1_700_000_000,
		NotAfter:        2_000_000_000,
	}
}

// content returns n bytes of which no two chunks are the same.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>14)
	}
	return b
}

var code = fuf.Authcode{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

// draft builds a file without a signature.
func draft(t testing.TB, r fuf.Release, payload []byte) *fuf.Draft {
	t.Helper()
	d, err := fuf.Build(r, payload, testkeys.Models().PublicKey(), code)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// signedBy signs a draft with every key and returns the file.
func signedBy(t testing.TB, d *fuf.Draft, keys ...crypto.Signer) []byte {
	t.Helper()
	for _, key := range keys {
		if err := d.Sign(key); err != nil {
			t.Fatal(err)
		}
	}
	file, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// sample returns a file by the vendor with a payload of n bytes.
func sample(t testing.TB, n int) []byte {
	t.Helper()
	return signedBy(t, draft(t, release(), content(n)), testkeys.Vendor()...)
}

func open(t testing.TB, file []byte, trust fuf.Trust) *fuf.File {
	t.Helper()
	f, err := fuf.OpenBytes(file, trust)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func payloadOf(t testing.TB, f *fuf.File) []byte {
	t.Helper()
	key, err := f.Unlock(testkeys.Models(), code)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Wipe()
	var out bytes.Buffer
	if err := f.Payload(&out, key); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
