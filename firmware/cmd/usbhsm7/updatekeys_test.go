package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// keyFiles writes files of trust and of models' keys, of which no two say the same.
func keyFiles(t *testing.T) (trust, models, other string) {
	t.Helper()
	own, err := fuf.NewSigner("own", testkeys.Second()[0].Public(), testkeys.Second()[1].Public())
	if err != nil {
		t.Fatal(err)
	}
	one, err := fuf.EncodeTrust(fuf.Trust{Signers: []fuf.Signer{own}})
	if err != nil {
		t.Fatal(err)
	}
	two, err := fuf.EncodeTrust(testkeys.Trust())
	if err != nil {
		t.Fatal(err)
	}
	three, err := fuf.EncodeModels(testkeys.Models())
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "own.trust.json", one), write(t, "models.pem", three), write(t, "published.trust.json", two)
}

func write(t *testing.T, name string, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refuses runs the command, and checks that it does not start for a reason.
func refuses(t *testing.T, says string, args ...string) {
	t.Helper()
	p := program(t, append(args, "--listen", "127.0.0.1:0")...)
	_ = p.Run()
	if status := p.ProcessState.ExitCode(); status != 2 || !strings.Contains(p.stderr.String(), says) {
		t.Errorf("%v: exit status %d, not because %s\n%s", args, status, says, p.stderr.String())
	}
}

func TestWhatUpdatesAreJudgedByIsAFactOfBirth(t *testing.T) {
	trust, models, other := keyFiles(t)
	dir := t.TempDir()
	flags := []string{"--state-dir", dir, "--update-trust", trust, "--update-models", models}
	start(t, flags...).stop(t)
	for name, source := range map[string]string{"update-trust.json": trust, "update-models.pem": models} {
		kept, err := os.ReadFile(filepath.Join(dir, name))
		given, _ := os.ReadFile(source)
		if err != nil || !bytes.Equal(kept, given) {
			t.Errorf("%s does not hold what was given (%v)", name, err)
		}
	}
	start(t, flags...).stop(t)           // the same again
	start(t, "--state-dir", dir).stop(t) // it knows them by itself
	refuses(t, "was made with other keys", "--state-dir", dir, "--update-trust", other)
	if kept, err := os.ReadFile(filepath.Join(dir, "update-trust.json")); err != nil || bytes.Contains(kept, []byte(`"vendor"`)) {
		t.Errorf("the keys have changed to %s (%v)", kept, err)
	}

	published := t.TempDir()
	start(t, "--state-dir", published).stop(t)
	refuses(t, "was made with other keys", "--state-dir", published, "--update-trust", trust)
	refuses(t, "was made with other keys", "--state-dir", published, "--update-models", models)
}

func TestFilesThatSayNothingAboutUpdatesMakeNoDevice(t *testing.T) {
	trust, models, _ := keyFiles(t)
	dir := filepath.Join(t.TempDir(), "state")
	refuses(t, "no such file", "--state-dir", dir, "--update-trust", "nowhere.json")
	refuses(t, "not the key that is needed", "--state-dir", dir, "--update-trust", models)
	refuses(t, "not the key that is needed", "--state-dir", dir, "--update-models", trust)
	refuses(t, "not the key that is needed", "--ephemeral", "--update-trust", models)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) > 1 { // the lock
		t.Errorf("left behind: %v, %v", left, err)
	}
	start(t, "--ephemeral", "--update-trust", trust).stop(t)
}
