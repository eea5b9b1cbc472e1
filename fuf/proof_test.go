package fuf_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/fuf"
	"usbhsm7/fuf/fuftest"
	"usbhsm7/fuf/testkeys"
)

func TestAProofNeedsTheLogAndEnoughWitnesses(t *testing.T) {
	log, err := fuftest.NewLog(3)
	if err != nil {
		t.Fatal(err)
	}
	d := draft(t, release(), content(10))
	prove := func(entry []byte, index, size uint64, witnesses int) []byte {
		t.Helper()
		p, err := log.Prove(entry, index, size, witnesses)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	whole := prove(d.LogEntry(), 5, 12, 2)
	trust := testkeys.Trust()
	trust.Log = log.Policy(2)
	fewer := testkeys.Trust()
	fewer.Log = log.Policy(2)
	fewer.Log.Witnesses = fewer.Log.Witnesses[1:]
	for _, test := range []struct {
		name  string
		proof []byte
		trust fuf.Trust
		want  error
	}{
		{"as it should be", whole, trust, nil},
		{"the only entry", prove(d.LogEntry(), 0, 1, 3), trust, nil},
		{"a verifier that asks for none", whole, testkeys.Trust(), nil},
		{"none", nil, trust, fuf.ErrProof},
		{"one witness of two", prove(d.LogEntry(), 5, 12, 1), trust, fuf.ErrProof},
		{"a witness that is unknown", whole, fewer, fuf.ErrProof},
		{"of another entry", prove([]byte("another entry"), 5, 12, 2), trust, fuf.ErrProof},
		{"of another place", bytes.Replace(whole, []byte("index 5"), []byte("index 4"), 1), trust, fuf.ErrProof},
		{"with a signature twice", doubled(whole), trust, fuf.ErrProof},
		{"with another spelling of a signature", respelt(whole), trust, fuf.ErrProof},
		{"with something after it", append(bytes.Clone(whole), '\n'), trust, fuf.ErrProof},
	} {
		d.Proof = test.proof
		if _, err := fuf.OpenBytes(signedBy(t, d, testkeys.Vendor()...), test.trust); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, not %v", test.name, err, test.want)
		}
	}
}

// A witness that cosigns again later is still one witness.
func TestTwoCosignaturesOfOneWitnessAreNoQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, err := fuftest.NewLog(2)
		if err != nil {
			t.Fatal(err)
		}
		d, trust := draft(t, release(), content(10)), testkeys.Trust()
		trust.Log = log.Policy(2)
		var proofs [2][]byte
		for i := range proofs {
			if proofs[i], err = log.Prove(d.LogEntry(), 0, 1, 1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // in the bubble
		}
		last := bytes.LastIndexByte(bytes.TrimSuffix(proofs[1], []byte("\n")), '\n') + 1
		if bytes.Equal(proofs[0][last:], proofs[1][last:]) {
			t.Fatal("the witness has cosigned at one time only")
		}
		d.Proof = append(proofs[0], proofs[1][last:]...)
		if _, err := fuf.OpenBytes(signedBy(t, d, testkeys.Vendor()...), trust); !errors.Is(err, fuf.ErrProof) {
			t.Error(err)
		}
	})
}

// Nobody has signed the names in a proof, so that none may move a terminal's cursor.
func TestARefusedProofLeavesTerminalsAlone(t *testing.T) {
	log, err := fuftest.NewLog(1)
	if err != nil {
		t.Fatal(err)
	}
	d, trust := draft(t, release(), content(10)), testkeys.Trust()
	trust.Log = log.Policy(1)
	proof, err := log.Prove(d.LogEntry(), 0, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	d.Proof = append(proof, "\u2014 \u009b2J AAAAAAAA\n"...)
	_, err = fuf.OpenBytes(signedBy(t, d, testkeys.Vendor()...), trust)
	if !errors.Is(err, fuf.ErrProof) || strings.ContainsRune(err.Error(), '\u009b') {
		t.Errorf("%q", err)
	}
}

// doubled repeats the last signature.
func doubled(proof []byte) []byte {
	last := proof[bytes.LastIndex(proof[:len(proof)-1], []byte("\n"))+1:]
	return append(bytes.Clone(proof), last...)
}

// respelt changes the bits of the last signature that base64 does not use.
func respelt(proof []byte) []byte {
	changed := bytes.Clone(proof)
	changed[len(changed)-4]++ // before "==\n"
	return changed
}
