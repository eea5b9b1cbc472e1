package fuf_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"usbhsm7/fuf"
	"usbhsm7/fuf/fuftest"
	"usbhsm7/fuf/testkeys"
)

// FuzzOpen: nobody without the keys makes a head that is accepted, but for the
// proof, which this verifier does not read.
func FuzzOpen(f *testing.F) {
	file := sample(f, 50)
	good := open(f, file, testkeys.Trust())
	f.Add(file[:good.HeadSize()])
	f.Add(file[:100])
	f.Fuzz(func(t *testing.T, head []byte) {
		u, err := fuf.Open(head, testkeys.Trust())
		if err != nil {
			if reason(err) == "" {
				t.Errorf("refused without a reason: %v", err)
			}
			return
		}
		if u.Manifest().Release.Product != "usbhsm7" {
			t.Errorf("a forged manifest: %+v", u.Manifest())
		}
	})
}

// FuzzParseDraft: what is read is written again as it was.
func FuzzParseDraft(f *testing.F) {
	f.Add(sample(f, 50))
	f.Add(signedBy(f, draft(f, release(), content(5))))
	f.Fuzz(func(t *testing.T, file []byte) {
		d, err := fuf.ParseDraft(file)
		if err != nil {
			if reason(err) == "" {
				t.Errorf("refused without a reason: %v", err)
			}
			return
		}
		again, err := d.Bytes()
		if err != nil || !bytes.Equal(again, file) {
			t.Errorf("%d bytes are written as %d: %v", len(file), len(again), err)
		}
	})
}

// FuzzChunk: of all that is offered as a chunk only that chunk is taken.
func FuzzChunk(f *testing.F) {
	file := open(f, sample(f, fuf.ChunkSize+50), testkeys.Trust())
	key, err := file.Unlock(testkeys.Models(), code)
	if err != nil {
		f.Fatal(err)
	}
	var chunks [2][]byte
	for i := range chunks {
		if chunks[i], err = file.Chunk(i, nil); err != nil {
			f.Fatal(err)
		}
		f.Add(i, chunks[i])
	}
	f.Fuzz(func(t *testing.T, i int, chunk []byte) {
		right := i >= 0 && i < len(chunks) && bytes.Equal(chunk, chunks[i])
		if err := file.VerifyChunk(i, chunk); (err == nil) != right {
			t.Errorf("verify chunk %d: %v", i, err)
		}
		if _, err := key.Decrypt(nil, i, chunk); (err == nil) != right {
			t.Errorf("decrypt chunk %d: %v", i, err)
		}
	})
}

// FuzzProof: a proof that is accepted is the one that the log and its witnesses
// made.
func FuzzProof(f *testing.F) {
	log, err := fuftest.NewLog(1)
	if err != nil {
		f.Fatal(err)
	}
	d := draft(f, release(), content(5))
	proof, err := log.Prove(d.LogEntry(), 1, 3, 1)
	if err != nil {
		f.Fatal(err)
	}
	for _, key := range testkeys.Vendor() {
		if err := d.Sign(key); err != nil {
			f.Fatal(err)
		}
	}
	trust := testkeys.Trust()
	trust.Log = log.Policy(1)
	f.Add(proof)
	f.Fuzz(func(t *testing.T, changed []byte) {
		d.Proof = changed
		file, err := d.Bytes()
		if err != nil {
			return // longer than a proof may be
		}
		if _, err := fuf.OpenBytes(file, trust); (err == nil) != bytes.Equal(changed, proof) {
			t.Errorf("%v for\n%s", err, changed)
		}
	})
}

// FuzzParseTrust: a file of trust that is accepted names signers enough.
func FuzzParseTrust(f *testing.F) {
	text, err := fuf.EncodeTrust(testkeys.Trust())
	if err != nil {
		f.Fatal(err)
	}
	logged, err := logTrust(text)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(logged)
	f.Fuzz(func(t *testing.T, text []byte) {
		trust, err := fuf.ParseTrust(text)
		if err != nil {
			return
		}
		if len(trust.Signers) < max(1, trust.Threshold) || trust.Log != nil && len(trust.Log.Witnesses) < trust.Log.Quorum {
			t.Errorf("nobody can satisfy %s", text)
		}
	})
}

// FuzzParseRelease: what is read is written so that the same is read again.
func FuzzParseRelease(f *testing.F) {
	text, err := json.Marshal(release())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := fuf.ParseRelease(text)
		r.Size = max(r.Size, 1)
		if err != nil || r.Check() != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := fuf.ParseRelease(again)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := json.Marshal(back); err != nil || !bytes.Equal(third, again) {
			t.Errorf("%v\n%s comes back as\n%s", err, again, third)
		}
	})
}
