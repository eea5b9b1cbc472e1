package mech

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"usbhsm7/firmware/command"
)

// vector is one line of testdata/vectors.json. All byte strings are
// hexadecimal; what is absent does not apply.
type vector struct {
	Source    string // where it was published, or what made it
	Kind      string // digest, mac, cipher, decrypt, sign, verify, derive or password
	Mechanism string
	Key       hexBytes // secret key
	KeyType   string   `json:"key_type"` // of a key to derive from: generic or aes
	Private   hexBytes // RSA: PKCS#1; otherwise the stored form for Curve
	Modulus   hexBytes
	Curve     string
	Point     hexBytes // uncompressed
	IV        hexBytes
	AAD       hexBytes
	TagBits   uint `json:"tag_bits"`
	Hash      string
	MGF       string
	Salt      *uint
	SaltBytes hexBytes `json:"salt_bytes"`

	CounterBits uint     `json:"counter_bits"`
	PublicData  hexBytes `json:"public_data"`
	Info, Label hexBytes
	Iterations  uint
	Length      int

	Data hexBytes
	Out  hexBytes
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func named(t *testing.T, name string) command.MechanismType {
	t.Helper()
	for _, row := range command.MechanismTable {
		if row.Name == name {
			return row.Type
		}
	}
	t.Fatalf("no mechanism %q", name)
	return 0
}

func (v vector) mechanism(t *testing.T) *command.Mechanism {
	m := &command.Mechanism{
		Type: named(t, v.Mechanism), IV: v.IV, AAD: v.AAD, TagBits: v.TagBits, SaltLength: v.Salt, Salt: v.SaltBytes,
		CounterBits: v.CounterBits, PublicData: v.PublicData, Info: v.Info, Label: v.Label, Iterations: v.Iterations,
	}
	if v.Hash != "" {
		m.Hash = named(t, v.Hash)
	}
	if v.MGF != "" {
		m.MGF = named(t, v.MGF)
	}
	return m
}

// pair returns the keys of an RSA key or of a scalar with its curve.
func (v vector) pair(t *testing.T) (private, public *Key) {
	t.Helper()
	keyType, curve := command.KeyRSA, curveNamed(v.Curve)
	if v.Curve != "" {
		keyType = curve.Type
	}
	pair := must(PairOf(keyType, Public{ECParams: curve.OID}, v.Private))(t)
	return pair.Key, must(ParsePublic(keyType, pair.Public))(t)
}

func (v vector) public(t *testing.T) *Key {
	t.Helper()
	if v.Modulus != nil {
		return must(ParsePublic(command.KeyRSA, Public{Modulus: v.Modulus, Exponent: []byte{1, 0, 1}}))(t)
	}
	return must(ParsePublic(command.KeyEC, Public{ECParams: curveNamed(v.Curve).OID, ECPoint: derPoint(v.Point)}))(t)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestPublishedVectors(t *testing.T) {
	check := map[string]func(*testing.T, vector){
		"digest": checkDigestVector, "mac": checkMACVector, "cipher": checkCipherVector, "decrypt": checkDecryptVector,
		"sign": checkSignVector, "verify": checkVerifyVector, "derive": checkDeriveVector, "password": checkPasswordVector,
	}
	for _, v := range readVectors(t) {
		t.Run(v.Mechanism+" of "+v.Source, func(t *testing.T) { check[v.Kind](t, v) })
	}
}

func checkDigestVector(t *testing.T, v vector) {
	if got := must(Digest(v.mechanism(t), v.Data))(t); !bytes.Equal(got, v.Out) {
		t.Errorf("digest %x, want %x", got, v.Out)
	}
}

// secretFor returns the secret key for a mechanism.
func (v vector) secretFor(t *testing.T) *Key {
	t.Helper()
	row, _ := command.LookupMechanism(named(t, v.Mechanism))
	return must(ParseSecret(row.Keys[0], v.Key))(t)
}

func checkMACVector(t *testing.T, v vector) {
	key := v.secretFor(t)
	if got := must(Sign(key, v.mechanism(t), v.Data, fresh))(t); !bytes.Equal(got, v.Out) {
		t.Errorf("MAC %x, want %x", got, v.Out)
	}
	verifyAndSpoil(t, key, v)
}

func checkCipherVector(t *testing.T, v vector) {
	key := v.secretFor(t)
	got, chosen, err := Encrypt(key, v.mechanism(t), v.Data, fresh)
	if err != nil || chosen != nil || !bytes.Equal(got, v.Out) {
		t.Errorf("ciphertext %x, IV %x, error %v, want %x", got, chosen, err, v.Out)
	}
	if plain := must(Decrypt(key, v.mechanism(t), v.Out))(t); !bytes.Equal(plain, v.Data) {
		t.Errorf("plaintext %x, want %x", plain, v.Data)
	}
}

// checkDecryptVector also encrypts and decrypts anew.
func checkDecryptVector(t *testing.T, v vector) {
	private, public := v.pair(t)
	if plain := must(Decrypt(private, v.mechanism(t), v.Out))(t); !bytes.Equal(plain, v.Data) {
		t.Errorf("plaintext %x, want %x", plain, v.Data)
	}
	again, _, err := Encrypt(public, v.mechanism(t), v.Data, fresh)
	if err != nil {
		t.Fatal(err)
	}
	if plain := must(Decrypt(private, v.mechanism(t), again))(t); !bytes.Equal(plain, v.Data) {
		t.Errorf("plaintext %x, want %x", plain, v.Data)
	}
}

// checkSignVector signs as a device with a seed does: all published signatures
// are deterministic.
func checkSignVector(t *testing.T, v vector) {
	private, public := v.pair(t)
	if got := must(Sign(private, v.mechanism(t), v.Data, Entropy{Seeded: true}))(t); !bytes.Equal(got, v.Out) {
		t.Errorf("signature %x, want %x", got, v.Out)
	}
	verifyAndSpoil(t, public, v)
}

func checkDeriveVector(t *testing.T, v vector) {
	var base *Key
	switch v.KeyType {
	case "generic":
		base = must(ParseSecret(command.KeyGenericSecret, v.Key))(t)
	case "aes":
		base = must(ParseSecret(command.KeyAES, v.Key))(t)
	default:
		base, _ = v.pair(t)
	}
	if got := must(Derive(base, v.mechanism(t), v.Length))(t); !bytes.Equal(got, v.Out) {
		t.Errorf("derived %x, want %x", got, v.Out)
	}
}

func checkPasswordVector(t *testing.T, v vector) {
	m := v.mechanism(t)
	m.Password = v.Data
	if got := must(GenerateSecret(m, command.KeyGenericSecret, uint64(v.Length), fresh))(t); !bytes.Equal(got, v.Out) {
		t.Errorf("derived %x, want %x", got, v.Out)
	}
}

func checkVerifyVector(t *testing.T, v vector) { verifyAndSpoil(t, v.public(t), v) }

// verifyAndSpoil wants the signature accepted, and refused with any of data,
// signature and length changed.
func verifyAndSpoil(t *testing.T, key *Key, v vector) {
	t.Helper()
	m := v.mechanism(t)
	if err := Verify(key, m, v.Data, v.Out); err != nil {
		t.Errorf("good signature: %v", err)
	}
	if len(v.Data) > 0 {
		refuse(t, command.StatusSignatureInvalid, Verify(key, m, spoil(v.Data), v.Out))
	}
	refuse(t, command.StatusSignatureInvalid, Verify(key, m, v.Data, spoil(v.Out)))
	refuse(t, command.StatusSignatureLenRange, Verify(key, m, v.Data, v.Out[1:]))
	refuse(t, command.StatusSignatureLenRange, Verify(key, m, v.Data, append(bytes.Clone(v.Out), 0)))
	refuse(t, command.StatusSignatureLenRange, Verify(key, m, v.Data, nil))
}

// spoil flips the last bit.
func spoil(p []byte) []byte {
	q := bytes.Clone(p)
	q[len(q)-1] ^= 1
	return q
}
