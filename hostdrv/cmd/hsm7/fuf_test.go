package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"usbhsm7/fuf"
	"usbhsm7/fuf/fuftest"
	"usbhsm7/fuf/testkeys"
)

// logEntry is a command of scripts: log ENTRY PROOF TRUST WITNESS puts a file into a
// log of transparency and writes the proof that it is there, a file of trust that
// demands one with a witness, and the key of that witness.
func logEntry(ts *testscript.TestScript, _ bool, args []string) {
	log, err := fuftest.NewLog(1)
	ts.Check(err)
	proof, err := log.Prove([]byte(ts.ReadFile(args[0])), 3, 5, 0)
	ts.Check(err)
	_, key, err := fuftest.NoteKey("log.example/updates")
	ts.Check(err)
	private, public, err := fuftest.NoteKey("witness.example/0")
	ts.Check(err)
	trust, err := fuf.EncodeTrust(testkeys.Trust())
	ts.Check(err)
	var fields map[string]any
	ts.Check(json.Unmarshal(trust, &fields))
	fields["log"] = map[string]any{"key": key, "witnesses": []string{public}, "quorum": 1}
	trust, err = json.Marshal(fields)
	ts.Check(err)
	for i, content := range [][]byte{proof, trust, []byte(private + "\n")} {
		ts.Check(os.WriteFile(ts.MkAbs(args[1+i]), content, 0o600))
	}
}

func TestTheExampleOfASpecificationIsSound(t *testing.T) {
	r := exampleRelease()
	r.Size = 1
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}
