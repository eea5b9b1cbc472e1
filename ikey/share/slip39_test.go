package share

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// SLIP-0039 shares secrets over the same field, for another purpose: the secret
// is at 255 and a digest of it at 254. Its published vectors are in
// testdata/slip39.json, the words of each share written as the bytes that they
// stand for.
type slip39Vector struct {
	Name       string `json:"name"` // in the published list
	Identifier uint16 `json:"identifier"`
	Exponent   int    `json:"exponent"`
	Groups     []struct {
		X      uint8         `json:"x"`
		Shares []slip39Share `json:"shares"`
	} `json:"groups"`
	Secret string `json:"secret"`
}

type slip39Share struct {
	X uint8  `json:"x"`
	Y string `json:"y"`
}

func TestPublishedSharesOpenTheirSecrets(t *testing.T) {
	file, err := os.ReadFile("testdata/slip39.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []slip39Vector
	if err := json.Unmarshal(file, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors {
		var groups []Share
		for _, g := range v.Groups {
			var members []Share
			for _, s := range g.Shares {
				members = append(members, Share{s.X, unhex(t, s.Y)})
			}
			groups = append(groups, Share{g.X, recoverSLIP39(t, members)})
		}
		if got := hex.EncodeToString(v.decrypt(t, recoverSLIP39(t, groups))); got != v.Secret {
			t.Errorf("%s: secret %s, want %s", v.Name, got, v.Secret)
		}
	}
}

// recoverSLIP39 returns the value at 255, which the digest at 254 confirms. One
// share alone is the value.
func recoverSLIP39(t *testing.T, shares []Share) []byte {
	t.Helper()
	if len(shares) == 1 {
		return shares[0].Y
	}
	secret, digest := interpolate(shares, 255), interpolate(shares, 254)
	mac := hmac.New(sha256.New, digest[4:])
	mac.Write(secret)
	if !hmac.Equal(mac.Sum(nil)[:4], digest[:4]) {
		t.Errorf("the digest of %x is %x", secret, digest[:4])
	}
	return secret
}

// decrypt takes the passphrase of the vectors off: four rounds of a Feistel
// network, backwards.
func (v *slip39Vector) decrypt(t *testing.T, sealed []byte) []byte {
	t.Helper()
	half := len(sealed) / 2
	left, right := sealed[:half], sealed[half:]
	for round := 3; round >= 0; round-- {
		salt := append([]byte{'s', 'h', 'a', 'm', 'i', 'r', byte(v.Identifier >> 8), byte(v.Identifier)}, right...)
		mask, err := pbkdf2.Key(sha256.New, string(rune(round))+"TREZOR", salt, 2500<<v.Exponent, half)
		if err != nil {
			t.Fatal(err)
		}
		subtle.XORBytes(mask, mask, left)
		left, right = right, mask
	}
	return append(append([]byte(nil), right...), left...)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
