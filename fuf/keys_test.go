package fuf_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"reflect"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"filippo.io/mldsa/x509"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

func TestKeysSurviveTheirFiles(t *testing.T) {
	for _, key := range testkeys.Vendor() {
		text, err := fuf.EncodeKey(key)
		if err != nil {
			t.Fatal(err)
		}
		back, err := fuf.DecodeKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if !key.(interface{ Equal(crypto.PrivateKey) bool }).Equal(back) {
			t.Errorf("another key of type %T comes back", back)
		}
	}
	models := testkeys.Models()
	text, err := fuf.EncodeModels(models)
	if err != nil {
		t.Fatal(err)
	}
	private, err := fuf.DecodeModels(text)
	if err != nil {
		t.Fatal(err)
	}
	public, err := fuf.DecodeModelsPublic(fuf.EncodeModelsPublic(models.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	if want := fuf.ModelKeyID(models.PublicKey()); fuf.ModelKeyID(private.PublicKey()) != want || fuf.ModelKeyID(public) != want {
		t.Error("another key of the models comes back")
	}
}

func TestOnlyTheTwoKindsOfKeysSign(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := mldsa.GenerateKey(mldsa.MLDSA44())
	if err != nil {
		t.Fatal(err)
	}
	d := draft(t, release(), content(5))
	if err := d.Sign(curve); err == nil {
		t.Error("an ECDSA key signs")
	}
	if err := d.Sign(small); err == nil {
		t.Error("an ML-DSA-44 key signs")
	}
	der, err := x509.MarshalPKCS8PrivateKey(small)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"nothing":          nil,
		"no PEM":           []byte("a key"),
		"another block":    pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"an ML-DSA-44 key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"a torn key":       pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der[:9]}),
	} {
		if _, err := fuf.DecodeKey(text); !errors.Is(err, fuf.ErrKeyFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTrustSurvivesItsFile(t *testing.T) {
	trust := fuf.Trust{
		Signers:   []fuf.Signer{testkeys.Public("vendor", testkeys.Vendor()), testkeys.Public("second", testkeys.Second())},
		Threshold: 2,
	}
	text, err := fuf.EncodeTrust(trust)
	if err != nil {
		t.Fatal(err)
	}
	back, err := fuf.ParseTrust(text)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range back.Signers {
		if want := trust.Signers[i]; s.Name != want.Name || !s.Ed25519.Equal(want.Ed25519) || !s.MLDSA65.Equal(want.MLDSA65) {
			t.Errorf("signer %q comes back as %q", want.Name, s.Name)
		}
	}
	if back.Threshold != 2 {
		t.Errorf("a threshold of %d", back.Threshold)
	}
	logged, err := logTrust(text)
	if err != nil {
		t.Fatal(err)
	}
	if back, err = fuf.ParseTrust(logged); err != nil || back.Log == nil || back.Log.Quorum != 1 || len(back.Log.Witnesses) != 2 {
		t.Errorf("the log comes back as %+v: %v", back.Log, err)
	}
	for name, bad := range map[string][]byte{
		"nothing":            nil,
		"nobody":             []byte(`{"signers": []}`),
		"an unknown field":   bytes.Replace(text, []byte(`"threshold"`), []byte(`"treshold"`), 1),
		"too few signers":    bytes.Replace(text, []byte(`"threshold": 2`), []byte(`"threshold": 3`), 1),
		"a key too short":    bytes.Replace(text, []byte(`"ed25519": "`), []byte(`"ed25519": "AAAA`), 1),
		"something after it": append(bytes.Clone(text), '{'),
		"too few witnesses":  bytes.Replace(logged, []byte(`"quorum": 1`), []byte(`"quorum": 3`), 1),
		"a bad log":          bytes.Replace(logged, []byte(`"key": "log`), []byte(`"key": "lag`), 1),
	} {
		if _, err := fuf.ParseTrust(bad); !errors.Is(err, fuf.ErrKeyFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One witness is no quorum of two, under whatever names and kinds its key is written.
func TestAWitnessCountsOnce(t *testing.T) {
	trust, err := fuf.EncodeTrust(testkeys.Trust())
	if err != nil {
		t.Fatal(err)
	}
	key := func(name, owner string) string {
		t.Helper()
		text, err := note.NewEd25519VerifierKey(name, ed25519.NewKeyFromSeed(testkeys.Seed(owner)).Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first, log := key("witness.example/0", "first"), key("log.example/updates", "log")
	ofCosignatures, err := fnote.VKeyToCosignatureV1(key("witness.example/1", "first"))
	if err != nil {
		t.Fatal(err)
	}
	lattice := func(name string) string {
		t.Helper()
		_, text, err := fnote.GenerateMLDSAKey(name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, test := range []struct {
		name   string
		second string
		says   string // empty: it is taken
	}{
		{"another witness", key("witness.example/1", "second"), ""},
		{"another witness with a key of another kind", lattice("witness.example/1"), ""},
		{"the same line twice", first, "same key"},
		{"its key under another name", key("witness.example/1", "first"), "same key"},
		{"its key as one of cosignatures", ofCosignatures, "same key"},
		{"another key under its name", key("witness.example/0", "second"), "same name"},
		{"a key of another kind under its name", lattice("witness.example/0"), "same name"},
		{"the key of the log", key("witness.example/1", "log"), "same key"},
		{"the name of the log", key("log.example/updates", "second"), "same name"},
	} {
		var fields map[string]any
		if err := json.Unmarshal(trust, &fields); err != nil {
			t.Fatal(err)
		}
		fields["log"] = map[string]any{"key": log, "witnesses": []string{first, test.second}, "quorum": 2}
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fuf.ParseTrust(text)
		switch {
		case test.says == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.says != "" && (!errors.Is(err, fuf.ErrKeyFile) || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: %v, which does not say %q", test.name, err, test.says)
		}
	}
}

func TestASignerHasOneKeyOfEachKind(t *testing.T) {
	first, second := testkeys.Vendor()[0].Public(), testkeys.Vendor()[1].Public()
	if _, err := fuf.NewSigner("in any order", second, first); err != nil {
		t.Error(err)
	}
	if _, err := fuf.NewSigner("twice the same", first, first); !errors.Is(err, fuf.ErrKeyFile) {
		t.Error(err)
	}
	if _, err := fuf.NewSigner("one", ed25519.PublicKey(nil), second); !errors.Is(err, fuf.ErrKeyFile) {
		t.Error(err)
	}
}

func TestAReleaseIsWrittenAsJSON(t *testing.T) {
	text, err := json.Marshal(release())
	if err != nil {
		t.Fatal(err)
	}
	back, err := fuf.ParseRelease(text)
	if err != nil || !reflect.DeepEqual(back, release()) {
		t.Errorf("%v\n%+v", err, back)
	}
	for _, word := range []string{`"firmware"`, `"7.9.3"`, `"in-place"`, `"destroys"`, `"minutes":15`} {
		if !strings.Contains(string(text), word) {
			t.Errorf("%s is not in %s", word, text)
		}
	}
	for _, bad := range []string{`{"kind": "software"}`, `{"kind": ""}`, `{"version": "7"}`, `{"digest": "00"}`, `{"colour": 1}`, `{} {}`} {
		if _, err := fuf.ParseRelease([]byte(bad)); !errors.Is(err, fuf.ErrManifest) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
