package dialogue_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"usbhsm7/ikey"
	"usbhsm7/ikey/share"
)

// keyset makes a keyset; another number gives another set.
func keyset(t *testing.T, kind ikey.Kind, m, n int, number byte) []ikey.Contents {
	t.Helper()
	secret := bytes.Repeat([]byte{number}, ikey.SecretSize)
	keys, err := share.Make(share.Plan{Kind: kind, M: m, N: n}, secret, rand.NewChaCha8([32]byte{number}))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
