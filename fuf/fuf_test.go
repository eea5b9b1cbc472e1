package fuf_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"reflect"
	"testing"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

func TestWhatIsBuiltComesOutAgain(t *testing.T) {
	for _, n := range []int{1, 100, fuf.ChunkSize - 1, fuf.ChunkSize, fuf.ChunkSize + 1, 5 * fuf.ChunkSize} {
		f := open(t, sample(t, n), testkeys.Trust())
		if err := f.Verify(nil); err != nil {
			t.Fatal(err)
		}
		if got := payloadOf(t, f); !bytes.Equal(got, content(n)) {
			t.Errorf("%d bytes: another payload comes out", n)
		}
		want := release()
		want.Size, want.Digest = uint32(n), sha256.Sum256(content(n))
		if got := f.Manifest().Release; !reflect.DeepEqual(got, want) {
			t.Errorf("%d bytes: the release is\n%+v, not\n%+v", n, got, want)
		}
	}
}

func TestChunksAreTakenInAnyOrder(t *testing.T) {
	file := sample(t, 4*fuf.ChunkSize+5)
	size, err := fuf.HeadSize(file[:fuf.PreambleSize])
	if err != nil {
		t.Fatal(err)
	}
	update, err := fuf.Open(file[:size], testkeys.Trust())
	if err != nil {
		t.Fatal(err)
	}
	key, err := update.Unlock(testkeys.Models(), code)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{4, 1, 3, 0, 2} {
		chunk := file[size+i*(fuf.ChunkSize+fuf.Overhead):][:update.ChunkSize(i)]
		if err := update.VerifyChunk(i, chunk); err != nil {
			t.Fatal(err)
		}
		plain, err := key.Decrypt(nil, i, chunk)
		if err != nil {
			t.Fatal(err)
		}
		if key.Tag(plain) != update.Tag(i) {
			t.Errorf("chunk %d has another tag than the file says", i)
		}
		other := (i + 1) % update.Chunks()
		if err := update.VerifyChunk(other, chunk); !errors.Is(err, fuf.ErrChunk) {
			t.Errorf("chunk %d in place %d: %v", i, other, err)
		}
		if _, err := key.Decrypt(nil, other, chunk); !errors.Is(err, fuf.ErrChunk) {
			t.Errorf("chunk %d decrypts in place %d: %v", i, other, err)
		}
	}
}

func TestAWrongCodeIsFoundWithoutAChunk(t *testing.T) {
	f := open(t, sample(t, 10), testkeys.Trust())
	wrong := code
	wrong[11] ^= 1
	if _, err := f.Unlock(testkeys.Models(), wrong); !errors.Is(err, fuf.ErrAuthcode) {
		t.Errorf("a wrong code: %v", err)
	}
	other, err := fuf.ModelKEM().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Unlock(other, code); !errors.Is(err, fuf.ErrRecipient) {
		t.Errorf("a device of another group: %v", err)
	}
}

func TestBothKeysOfEnoughSignersAreNeeded(t *testing.T) {
	vendor, second := testkeys.Vendor(), testkeys.Second()
	both := fuf.Trust{
		Signers:   []fuf.Signer{testkeys.Public("vendor", vendor), testkeys.Public("second", second)},
		Threshold: 2,
	}
	d := draft(t, release(), content(10))
	steps := []struct {
		file  []byte
		trust fuf.Trust
		want  error
	}{
		{signedBy(t, d), testkeys.Trust(), fuf.ErrUnsigned},
		{signedBy(t, d, vendor[0]), testkeys.Trust(), fuf.ErrUnsigned},
		{signedBy(t, d, vendor[1]), testkeys.Trust(), nil},
		{signedBy(t, d), both, fuf.ErrUnsigned},
		{signedBy(t, d, second[1]), both, fuf.ErrUnsigned},
		{signedBy(t, d, second[0]), both, nil},
		{signedBy(t, d), testkeys.Trust(), fuf.ErrSigner}, // the second signer is unknown there
		{signedBy(t, d, second[0]), both, nil},            // again: replaces the signature
	}
	for i, step := range steps {
		if _, err := fuf.OpenBytes(step.file, step.trust); !errors.Is(err, step.want) {
			t.Errorf("step %d: %v, not %v", i, err, step.want)
		}
	}
	one := draft(t, release(), content(10))
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	file := signedBy(t, one, vendor[0], stranger, vendor[1])
	if _, err := fuf.OpenBytes(file, testkeys.Trust()); !errors.Is(err, fuf.ErrSigner) {
		t.Errorf("signed by a stranger too: %v", err)
	}
}

func TestASignerSeesWhetherTheChunksAreThose(t *testing.T) {
	file := sample(t, fuf.ChunkSize+5)
	parse := func(file []byte) *fuf.Draft {
		t.Helper()
		d, err := fuf.ParseDraft(file)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if err := parse(file).CheckChunks(); err != nil {
		t.Error(err)
	}
	signed, proof, table, chunks, err := fuf.Parts(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(chunks)
	changed[fuf.ChunkSize+fuf.Overhead] ^= 1
	for name, test := range map[string]struct {
		file []byte
		want error
	}{
		"a chunk that was changed": {fuf.Assemble(signed, proof, table, changed), fuf.ErrChunk},
		"a table that was changed": {fuf.Assemble(signed, proof, append(bytes.Clone(table[:95]), table[95]^1), chunks), fuf.ErrTable},
		"a chunk that is missing":  {fuf.Assemble(signed, proof, table, chunks[:fuf.ChunkSize+fuf.Overhead]), fuf.ErrLength},
	} {
		if err := parse(test.file).CheckChunks(); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAFileThatIsCutOffIsToldFromOneOfAnotherKind shows that who gives the file of the
// authentication code in the place of the update is not told to fetch it again.
func TestAFileThatIsCutOffIsToldFromOneOfAnotherKind(t *testing.T) {
	for content, want := range map[string]error{
		"AQIDBAUGBwgJCgsM\n":                fuf.ErrMagic,
		"\x89PNG":                           fuf.ErrMagic,
		"":                                  fuf.ErrLength,
		"\x89FUF":                           fuf.ErrLength,
		"\x89FUF\r\n\x1a\n\x01\x00\x00\x00": fuf.ErrLength,
	} {
		if _, err := fuf.HeadSize([]byte(content)); !errors.Is(err, want) {
			t.Errorf("%q: %v", content, err)
		}
	}
}
