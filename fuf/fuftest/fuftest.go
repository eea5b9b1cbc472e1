// Package fuftest makes what a verifier of update files must refuse: every mutant
// of a file that an accident or an attacker could make without a key.
//
//	checker := fuftest.NewChecker(trust)
//	for name, mutant := range fuftest.Mutants(file) {
//		if checker.Verify(mutant) == nil {
//			t.Errorf("%s was accepted", name)
//		}
//	}
//
// It also holds a log of transparency with its witnesses, for tests of proofs.
package fuftest
