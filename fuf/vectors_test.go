package fuf_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectorDir = "testdata/vectors"

// vector is a row of testdata/vectors/vectors.json.
type vector struct {
	File     string     `json:"file"`
	Shows    string     `json:"shows"`
	Trust    string     `json:"trust"`    // file
	Models   string     `json:"models"`   // file: private key of the models
	Authcode string     `json:"authcode"` // what is typed
	Reason   fuf.Reason `json:"reason"`   // why it is refused; empty: it is accepted
	Payload  fuf.Digest `json:"payload"`  // SHA-256 of an accepted file's payload
}

// judge verifies a file all the way to its payload.
func (v vector) judge(t *testing.T) (fuf.Digest, error) {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(vectorDir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	trust, err := fuf.ParseTrust(read(v.Trust))
	if err != nil {
		t.Fatal(err)
	}
	models, err := fuf.DecodeModels(read(v.Models))
	if err != nil {
		t.Fatal(err)
	}
	f, err := fuf.OpenBytes(read(v.File), trust)
	if err != nil {
		return fuf.Digest{}, err
	}
	if err := f.Verify(nil); err != nil {
		return fuf.Digest{}, err
	}
	code, err := fuf.ParseAuthcode(v.Authcode)
	if err != nil {
		return fuf.Digest{}, err
	}
	key, err := f.Unlock(models, code)
	if err != nil {
		return fuf.Digest{}, err
	}
	defer key.Wipe()
	return f.Manifest().Release.Digest, f.Payload(&bytes.Buffer{}, key)
}

func TestVectors(t *testing.T) {
	if *update {
		cryptotest.SetGlobalRandom(t, 7)
		synctest.Test(t, writeVectors) // witnesses sign the time: always the same in there
	}
	var vectors []vector
	text, err := os.ReadFile(filepath.Join(vectorDir, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	reasons := map[fuf.Reason]bool{}
	for _, v := range vectors {
		t.Run(v.File, func(t *testing.T) {
			digest, err := v.judge(t)
			if reason(err) != v.Reason || (err == nil) != (v.Reason == "") {
				t.Errorf("%v, want %q", err, v.Reason)
			}
			if err == nil && digest != v.Payload {
				t.Errorf("the payload is %s", digest)
			}
		})
		reasons[v.Reason] = true
	}
	for _, r := range fuf.Reasons() {
		if !reasons[r] {
			t.Errorf("no vector is refused for %q", string(r))
		}
	}
}

// writeVectors makes every vector of vectorCases.
func writeVectors(t *testing.T) {
	t.Helper()
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(vectorDir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(vectorDir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(vectorDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range vectorKeys(t) {
		write(name, content)
	}
	var rows []vector
	for _, c := range vectorCases() {
		row := vector{
			File: c.name + ".fuf", Shows: c.shows, Trust: "vendor.trust.json", Models: "models.pem",
			Authcode: code.Text(), Reason: c.reason,
		}
		m := &maker{t: t, row: &row}
		file := c.make(m)
		write(row.File, file)
		if c.reason == "" {
			row.Payload = open(t, file, m.trust()).Manifest().Release.Digest
		}
		rows = append(rows, row)
	}
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	write("vectors.json", append(text, '\n'))
}

// vectorKeys are the files of keys that the vectors need.
func vectorKeys(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	keep := func(name string) func([]byte, error) {
		return func(content []byte, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			files[name] = content
		}
	}
	vendor, second := testkeys.Public("vendor", testkeys.Vendor()), testkeys.Public("second", testkeys.Second())
	keep("models.pem")(fuf.EncodeModels(testkeys.Models()))
	other, err := fuf.ModelKEM().NewPrivateKey(testkeys.Seed("other models"))
	if err != nil {
		t.Fatal(err)
	}
	keep("other-models.pem")(fuf.EncodeModels(other))
	keep("vendor.trust.json")(fuf.EncodeTrust(fuf.Trust{Signers: []fuf.Signer{vendor}}))
	keep("both.trust.json")(fuf.EncodeTrust(fuf.Trust{Signers: []fuf.Signer{vendor, second}, Threshold: 2}))
	keep("either.trust.json")(fuf.EncodeTrust(fuf.Trust{Signers: []fuf.Signer{vendor, second}}))
	keep("log.trust.json")(logTrust(files["vendor.trust.json"]))
	return files
}
