package fuf_test

import (
	"errors"
	"flag"
	"testing"

	"usbhsm7/fuf"
	"usbhsm7/fuf/fuftest"
	"usbhsm7/fuf/testkeys"
)

var sweep = flag.Bool("sweep", false, "try every bit of every file, not a few of them")

// proven returns a file with a proof of transparency and who trusts it.
func proven(t testing.TB, payload []byte) ([]byte, fuf.Trust) {
	t.Helper()
	log, err := fuftest.NewLog(2)
	if err != nil {
		t.Fatal(err)
	}
	d := draft(t, release(), payload)
	if d.Proof, err = log.Prove(d.LogEntry(), 2, 7, 2); err != nil {
		t.Fatal(err)
	}
	trust := testkeys.Trust()
	trust.Log = log.Policy(1)
	return signedBy(t, d, testkeys.Vendor()...), trust
}

func TestEveryChangedBitIsRefused(t *testing.T) {
	file, trust := proven(t, content(50))
	checker := fuftest.NewChecker(trust)
	if err := checker.Verify(file); err != nil {
		t.Fatal(err)
	}
	step := 11 // prime to 8: every bit of a byte has its turn
	if testing.Short() {
		step *= 5
	}
	if *sweep {
		step = 1
	}
	next := 0
	for name, mutant := range fuftest.BitFlips(file) {
		if next%step == 0 {
			refused(t, checker, name, mutant)
		}
		next++
	}
}

func TestEveryTruncationAndAdditionIsRefused(t *testing.T) {
	file, trust := proven(t, content(50))
	checker := fuftest.NewChecker(trust)
	for name, mutant := range fuftest.Truncations(file) {
		refused(t, checker, name, mutant)
	}
	for name, mutant := range fuftest.Additions(file) {
		refused(t, checker, name, mutant)
	}
}

func TestChunksThatAreExchangedOrMixedAreRefused(t *testing.T) {
	file := sample(t, 3*fuf.ChunkSize+1)
	other := sample(t, 3*fuf.ChunkSize+1) // same content, other keys
	checker := fuftest.NewChecker(testkeys.Trust())
	tried := 0
	for name, mutant := range fuftest.Exchanges(file) {
		refused(t, checker, name, mutant)
		tried++
	}
	for name, mutant := range fuftest.Mixtures(file, other) {
		refused(t, checker, name, mutant)
		tried++
	}
	if tried != 4+6+12+1+4 {
		t.Errorf("%d mutants", tried)
	}
}

// refused checks that a mutant is refused for a reason of the format.
func refused(t *testing.T, checker *fuftest.Checker, name string, mutant []byte) {
	t.Helper()
	err := checker.Verify(mutant)
	if reason := fuf.Reason(""); !errors.As(err, &reason) {
		t.Errorf("%s: %v", name, err)
	}
}

func TestTheCheckerAgreesWithTheVerifier(t *testing.T) {
	file := sample(t, fuf.ChunkSize+1)
	checker := fuftest.NewChecker(testkeys.Trust())
	for i := 0; i < len(file); i += 97 {
		for name, mutant := range fuftest.FlipsIn(file, i, i+1) {
			want := verify(mutant)
			got := checker.Verify(mutant)
			if reason(got) != reason(want) {
				t.Errorf("%s: %v, the verifier says %v", name, got, want)
			}
			break
		}
		if err := checker.Verify(file); err != nil {
			t.Fatal(err)
		}
	}
}

func verify(file []byte) error {
	f, err := fuf.OpenBytes(file, testkeys.Trust())
	if err != nil {
		return err
	}
	return f.Verify(nil)
}

func reason(err error) fuf.Reason {
	var r fuf.Reason
	errors.As(err, &r)
	return r
}
