package mech

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
)

// fresh is the entropy of a device without a seed.
var fresh = Entropy{Reader: rand.Reader}

func refuse(t testing.TB, want command.Status, err error) {
	t.Helper()
	var e *command.Error
	if !errors.As(err, &e) || e.Status != want {
		t.Errorf("error %v, want %v", err, want)
	}
}

// keys is one key of every kind.
type keys struct {
	rsaPrivate, rsaPublic, ecPrivate, ecPublic, aes, generic *Key
	private, public                                          map[uint64]*Key // by type; a secret key is in both
}

var makeAll = sync.OnceValues(func() (keys, error) {
	k := keys{private: map[uint64]*Key{}, public: map[uint64]*Key{}}
	pairs := map[uint64]func() (*Pair, error){
		command.KeyRSA:          func() (*Pair, error) { return GenerateRSA(2048, fresh) },
		command.KeyEC:           func() (*Pair, error) { return GenerateEC(command.KeyEC, curveNamed("P-256").OID, fresh) },
		command.KeyECEdwards:    func() (*Pair, error) { return GenerateEC(command.KeyECEdwards, curveNamed("Ed25519").OID, fresh) },
		command.KeyECMontgomery: func() (*Pair, error) { return GenerateEC(command.KeyECMontgomery, curveNamed("X25519").OID, fresh) },
		command.KeyMLKEM:        func() (*Pair, error) { return GenerateLattice(command.KeyMLKEM, command.MLKEM768, fresh) },
		command.KeyMLDSA:        func() (*Pair, error) { return GenerateLattice(command.KeyMLDSA, command.MLDSA44, fresh) },
	}
	for keyType, generate := range pairs {
		pair, err := generate()
		if err != nil {
			return k, err
		}
		k.private[keyType] = pair.Key
		if k.public[keyType], err = ParsePublic(keyType, pair.Public); err != nil {
			return k, err
		}
	}
	for keyType, length := range map[uint64]int{command.KeyAES: 32, command.KeyDES3: 24, command.KeyGenericSecret: 32} {
		secret, err := ParseSecret(keyType, bytes.Repeat([]byte{1}, length))
		if err != nil {
			return k, err
		}
		k.private[keyType], k.public[keyType] = secret, secret
	}
	k.rsaPrivate, k.rsaPublic = k.private[command.KeyRSA], k.public[command.KeyRSA]
	k.ecPrivate, k.ecPublic = k.private[command.KeyEC], k.public[command.KeyEC]
	k.aes, k.generic = k.private[command.KeyAES], k.private[command.KeyGenericSecret]
	return k, nil
})

func makeKeys(t testing.TB) keys {
	t.Helper()
	return must(makeAll())(t)
}

func curveNamed(name string) Curve {
	for _, c := range Curves() {
		if c.Name == name {
			return c
		}
	}
	return Curve{}
}

func mechanism(t command.MechanismType) *command.Mechanism { return &command.Mechanism{Type: t} }

// bare is the bare PSS mechanism for a hash and a salt length.
func bare(hash command.MechanismType, salt uint) *command.Mechanism {
	return &command.Mechanism{Type: command.MechRSAPKCSPSS, Hash: hash, SaltLength: &salt}
}

func TestEverySignatureMechanismServesItsKeysOnly(t *testing.T) {
	k := makeKeys(t)
	all := append(slices.Collect(maps.Values(k.private)), slices.Collect(maps.Values(k.public))...)
	for _, row := range command.MechanismTable {
		if row.Uses&command.UseSign == 0 {
			continue
		}
		t.Run(row.Name, func(t *testing.T) {
			private, public := k.private[row.Keys[0]], k.public[row.Keys[0]]
			m := mechanism(row.Type)
			switch row.Type {
			case command.MechRSAPKCSPSS:
				m.Hash = command.MechSHA256
			case command.MechAESGMAC, command.MechLunaAESGMAC:
				m.IV = make([]byte, 12)
			}
			data := make([]byte, 32)
			sig := must(Sign(private, m, data, fresh))(t)
			if err := Verify(public, m, data, sig); err != nil {
				t.Fatal(err)
			}
			for _, other := range all {
				if other != private {
					_, err := Sign(other, m, data, fresh)
					refuse(t, command.StatusKeyTypeInconsistent, err)
				}
				if other != public {
					refuse(t, command.StatusKeyTypeInconsistent, Verify(other, m, data, sig))
				}
			}
		})
	}
}

func TestSignaturesAreThoseOfGo(t *testing.T) {
	k := makeKeys(t)
	data := []byte("what is signed")
	hash := sha256.Sum256(data)
	private := k.rsaPrivate.private.(*rsa.PrivateKey)

	sig := must(Sign(k.rsaPrivate, mechanism(command.MechSHA256RSAPKCS), data, fresh))(t)
	if err := rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, hash[:], sig); err != nil {
		t.Error(err)
	}
	info := append([]byte{0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}, hash[:]...)
	if raw := must(Sign(k.rsaPrivate, mechanism(command.MechRSAPKCS), info, fresh))(t); !bytes.Equal(raw, sig) {
		t.Error("RSA_PKCS over the DigestInfo and SHA256_RSA_PKCS over the data differ")
	}
	sig = must(Sign(k.rsaPrivate, bare(command.MechSHA256, 20), hash[:], fresh))(t)
	opts := &rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256}
	if err := rsa.VerifyPSS(&private.PublicKey, crypto.SHA256, hash[:], sig, opts); err != nil {
		t.Error(err)
	}
	refuse(t, command.StatusSignatureInvalid, Verify(k.rsaPublic, bare(command.MechSHA256, 32), hash[:], sig))

	sig = must(Sign(k.ecPrivate, mechanism(command.MechECDSASHA256), data, fresh))(t)
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	if !ecdsa.Verify(&k.ecPrivate.private.(*ecdsa.PrivateKey).PublicKey, hash[:], r, s) {
		t.Error("ECDSA signature is not r || s")
	}
}

func TestRefusedInput(t *testing.T) {
	k := makeKeys(t)
	long := uint(223)
	iv, block := make([]byte, 16), make([]byte, 16)
	gcm := func(iv []byte, bits uint) *command.Mechanism {
		return &command.Mechanism{Type: command.MechAESGCM, IV: iv, TagBits: bits}
	}
	cbc := func(m command.MechanismType, iv []byte) *command.Mechanism {
		return &command.Mechanism{Type: m, IV: iv}
	}
	sign := func(k *Key, m *command.Mechanism, n int) func() error {
		return func() error { _, err := Sign(k, m, make([]byte, n), fresh); return err }
	}
	encrypt := func(k *Key, m *command.Mechanism, n int) func() error {
		return func() error { _, _, err := Encrypt(k, m, make([]byte, n), fresh); return err }
	}
	decrypt := func(k *Key, m *command.Mechanism, data []byte) func() error {
		return func() error { _, err := Decrypt(k, m, data); return err }
	}
	for name, c := range map[string]struct {
		want command.Status
		run  func() error
	}{
		"signing with a cipher":             {command.StatusMechanismInvalid, sign(k.aes, gcm(iv, 0), 1)},
		"encrypting with a signature":       {command.StatusMechanismInvalid, encrypt(k.rsaPublic, mechanism(command.MechSHA256RSAPKCS), 1)},
		"unknown mechanism":                 {command.StatusMechanismInvalid, sign(k.rsaPrivate, mechanism(0x7FFF), 1)},
		"digest with a signature":           {command.StatusMechanismInvalid, func() error { _, err := Digest(mechanism(command.MechECDSA), nil); return err }},
		"digest with parameters":            {command.StatusMechanismParamInvalid, func() error { _, err := Digest(cbc(command.MechSHA256, iv), nil); return err }},
		"too much data":                     {command.StatusDataLenRange, sign(k.generic, mechanism(command.MechSHA256HMAC), MaxData+1)},
		"DigestInfo longer than the key":    {command.StatusDataLenRange, sign(k.rsaPrivate, mechanism(command.MechRSAPKCS), 256-10)},
		"signature with an IV":              {command.StatusMechanismParamInvalid, sign(k.ecPrivate, cbc(command.MechECDSA, iv), 32)},
		"empty hash":                        {command.StatusDataLenRange, sign(k.ecPrivate, mechanism(command.MechECDSA), 0)},
		"hash of 65 bytes":                  {command.StatusDataLenRange, sign(k.ecPrivate, mechanism(command.MechECDSA), 65)},
		"PSS without a hash":                {command.StatusMechanismParamInvalid, sign(k.rsaPrivate, mechanism(command.MechRSAPKCSPSS), 32)},
		"PSS with two hashes":               {command.StatusMechanismParamInvalid, sign(k.rsaPrivate, &command.Mechanism{Type: command.MechSHA256RSAPKCSPSS, Hash: command.MechSHA384}, 1)},
		"PSS data of another length":        {command.StatusDataLenRange, sign(k.rsaPrivate, bare(command.MechSHA256, 20), 20)},
		"PSS with a salt that does not fit": {command.StatusMechanismParamInvalid, sign(k.rsaPrivate, &command.Mechanism{Type: command.MechSHA256RSAPKCSPSS, SaltLength: &long}, 1)},
		"PSS with a huge salt":              {command.StatusMechanismParamInvalid, sign(k.rsaPrivate, bare(command.MechSHA256, ^uint(0)), 32)},
		"CBC without an IV":                 {command.StatusMechanismParamInvalid, encrypt(k.aes, cbc(command.MechAESCBC, nil), 16)},
		"CBC with a short IV":               {command.StatusMechanismParamInvalid, encrypt(k.aes, cbc(command.MechAESCBC, iv[:15]), 16)},
		"CBC with AAD":                      {command.StatusMechanismParamInvalid, encrypt(k.aes, &command.Mechanism{Type: command.MechAESCBC, IV: iv, AAD: iv}, 16)},
		"CBC of part of a block":            {command.StatusDataLenRange, encrypt(k.aes, cbc(command.MechAESCBC, iv), 17)},
		"CBC ciphertext of part of a block": {command.StatusEncryptedDataLenRange, decrypt(k.aes, cbc(command.MechAESCBC, iv), block[:15])},
		"empty padded ciphertext":           {command.StatusEncryptedDataLenRange, decrypt(k.aes, cbc(command.MechAESCBCPad, iv), nil)},
		"wrong padding":                     {command.StatusEncryptedDataInvalid, decrypt(k.aes, cbc(command.MechAESCBCPad, iv), block)},
		"GCM with an HMAC key":              {command.StatusKeyTypeInconsistent, encrypt(k.generic, gcm(iv, 0), 1)},
		"GCM with a tag of 64 bits":         {command.StatusMechanismParamInvalid, encrypt(k.aes, gcm(iv, 64), 1)},
		"GCM with an IV of 257 bytes":       {command.StatusMechanismParamInvalid, encrypt(k.aes, gcm(make([]byte, 257), 0), 1)},
		"GCM decryption without an IV":      {command.StatusMechanismParamInvalid, decrypt(k.aes, gcm(nil, 0), block)},
		"GCM ciphertext without a tag":      {command.StatusEncryptedDataLenRange, decrypt(k.aes, gcm(iv, 0), block[:15])},
		"GCM with a wrong tag":              {command.StatusEncryptedDataInvalid, decrypt(k.aes, gcm(iv, 0), block)},
		"GCM with a wrong short tag":        {command.StatusEncryptedDataInvalid, decrypt(k.aes, gcm(iv, 96), block)},
	} {
		t.Run(name, func(t *testing.T) { refuse(t, c.want, c.run()) })
	}
}

func TestPaddings(t *testing.T) {
	k := makeKeys(t)
	iv := make([]byte, 16)
	for tail, want := range map[string]int{ // of a block; -1: refused
		"\x01": 15, "\x02\x02": 14, "\x00": -1, "\x11": -1, "\xff": -1,
		"\x02\x01": 15, "\x03\x02": -1, "\x03\x04\x03": -1, "\x02\x03\x03": -1,
		strings.Repeat("\x10", 16): 0, "\x0f" + strings.Repeat("\x10", 15): -1,
	} {
		block := bytes.Repeat([]byte{0x77}, 16)
		copy(block[16-len(tail):], tail)
		sealed, _, err := Encrypt(k.aes, &command.Mechanism{Type: command.MechAESCBC, IV: iv}, block, fresh)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decrypt(k.aes, &command.Mechanism{Type: command.MechAESCBCPad, IV: iv}, sealed)
		if want < 0 {
			refuse(t, command.StatusEncryptedDataInvalid, err)
		} else if err != nil || !bytes.Equal(got, block[:want]) {
			t.Errorf("padding %x: %x, %v", tail, got, err)
		}
	}
}

func TestKeySizes(t *testing.T) {
	for _, bits := range []uint64{0, 1024, 2047, 2049, 8256, 1 << 40} {
		_, err := GenerateRSA(bits, fresh)
		refuse(t, command.StatusKeySizeRange, err)
	}
	for length := range uint64(600) {
		_, err := GenerateSecret(mechanism(command.MechAESKeyGen), command.KeyAES, length, fresh)
		if good := length == 16 || length == 24 || length == 32; good != (err == nil) {
			t.Errorf("AES key of %d bytes: %v", length, err)
		}
		_, err = GenerateSecret(mechanism(command.MechGenericSecretGen), command.KeyGenericSecret, length, fresh)
		if good := length >= 8 && length <= 512; good != (err == nil) {
			t.Errorf("generic secret of %d bytes: %v", length, err)
		}
	}
	for name, c := range map[string]struct {
		params []byte
		want   command.Status
	}{
		"secp112r1":    {[]byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x06}, command.StatusKeySizeRange},
		"no OID":       {[]byte("P-256"), command.StatusAttributeValueInvalid},
		"empty":        {nil, command.StatusAttributeValueInvalid},
		"trailing":     {append(bytes.Clone(Curves()[0].OID), 0), command.StatusAttributeValueInvalid},
		"curve inline": {[]byte{0x30, 0x00}, command.StatusAttributeValueInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := GenerateEC(command.KeyEC, c.params, fresh)
			refuse(t, c.want, err)
		})
	}
}

func TestGeneratedPairsParseBack(t *testing.T) {
	for _, curve := range Curves() {
		for _, seeded := range []bool{false, true} {
			pair := must(GenerateEC(curve.Type, curve.OID, Entropy{rand.Reader, seeded}))(t)
			private := must(ParsePrivate(curve.Type, pair.Public, pair.Private))(t)
			public := must(ParsePublic(curve.Type, pair.Public))(t)
			if curve.Type == command.KeyECMontgomery {
				continue
			}
			m := mechanism(command.MechECDSASHA384)
			if curve.Type == command.KeyECEdwards {
				m = mechanism(command.MechEdDSA)
			}
			sig := must(Sign(private, m, []byte("x"), Entropy{rand.Reader, seeded}))(t)
			if err := Verify(public, m, []byte("x"), sig); err != nil || len(sig) != 2*curve.size() {
				t.Errorf("%s: %v, %d bytes", curve.Name, err, len(sig))
			}
		}
	}
	for _, seeded := range []bool{false, true} {
		pair := must(GenerateRSA(2048, Entropy{rand.Reader, seeded}))(t)
		k := must(ParsePrivate(command.KeyRSA, Public{}, pair.Private))(t)
		sig := must(Sign(k, mechanism(command.MechSHA256RSAPKCS), nil, fresh))(t)
		if err := Verify(must(ParsePublic(command.KeyRSA, pair.Public))(t), mechanism(command.MechSHA256RSAPKCS), nil, sig); err != nil || k.Bits != 2048 {
			t.Errorf("%d bits, %v", k.Bits, err)
		}
	}
}

func TestDamagedStoredKeysAreErrors(t *testing.T) {
	p256 := curveNamed("P-256").OID
	for name, err := range map[string]error{
		"RSA private":   second(ParsePrivate(command.KeyRSA, Public{}, []byte("junk"))),
		"EC scalar":     second(ParsePrivate(command.KeyEC, Public{ECParams: p256}, make([]byte, 32))),
		"EC curve":      second(ParsePrivate(command.KeyEC, Public{}, make([]byte, 32))),
		"EC point":      second(ParsePublic(command.KeyEC, Public{ECParams: p256, ECPoint: []byte{4, 1, 4}})),
		"EC encoding":   second(ParsePublic(command.KeyEC, Public{ECParams: p256, ECPoint: []byte("junk")})),
		"secp256k1 0":   second(ParsePrivate(command.KeyEC, Public{ECParams: curveNamed("secp256k1").OID}, make([]byte, 32))),
		"secp256k1 inf": second(ParsePublic(command.KeyEC, Public{ECParams: curveNamed("secp256k1").OID, ECPoint: derPoint([]byte{0})})),
		"Ed25519 seed":  second(ParsePrivate(command.KeyECEdwards, Public{ECParams: curveNamed("Ed25519").OID}, make([]byte, 31))),
		"Ed25519 point": second(ParsePublic(command.KeyECEdwards, Public{ECParams: curveNamed("Ed25519").OID, ECPoint: derPoint(make([]byte, 31))})),
		"X25519 point":  second(ParsePublic(command.KeyECMontgomery, Public{ECParams: curveNamed("X25519").OID, ECPoint: derPoint(make([]byte, 33))})),
		"curve of type": second(ParsePublic(command.KeyECEdwards, Public{ECParams: p256})),
		"RSA modulus":   second(ParsePublic(command.KeyRSA, Public{Modulus: []byte{1}, Exponent: []byte{3}})),
		"RSA exponent":  second(ParsePublic(command.KeyRSA, Public{Modulus: bytes.Repeat([]byte{0xFF}, 256), Exponent: []byte{2}})),
		"ML-KEM set":    second(ParsePrivate(command.KeyMLKEM, Public{ParameterSet: 1}, make([]byte, 64))),
		"ML-KEM seed":   second(ParsePrivate(command.KeyMLKEM, Public{ParameterSet: 2}, make([]byte, 63))),
		"ML-KEM key":    second(ParsePublic(command.KeyMLKEM, Public{ParameterSet: 2, Value: make([]byte, 1183)})),
		"ML-DSA set":    second(ParsePublic(command.KeyMLDSA, Public{ParameterSet: 4})),
		"ML-DSA seed":   second(ParsePrivate(command.KeyMLDSA, Public{ParameterSet: 2}, make([]byte, 31))),
		"AES key":       second(ParseSecret(command.KeyAES, make([]byte, 17))),
		"3DES key":      second(ParseSecret(command.KeyDES3, make([]byte, 16))),
		"secret type":   second(ParseSecret(command.KeyRSA, nil)),
		"private type":  second(ParsePrivate(command.KeyAES, Public{}, nil)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestFailingEntropyIsNamed(t *testing.T) {
	broken := Entropy{Reader: iotest.ErrReader(errors.New("no noise"))}
	k := makeKeys(t)
	_, err := Random(16, broken.Reader)
	refuse(t, command.StatusRNGError, err)
	_, err = GenerateSecret(mechanism(command.MechAESKeyGen), command.KeyAES, 16, broken)
	refuse(t, command.StatusRNGError, err)
	_, _, err = Encrypt(k.aes, mechanism(command.MechAESGCM), nil, broken)
	refuse(t, command.StatusRNGError, err)
	named := command.StatusRNGError.With("the random number generator failed", "")
	_, err = Sign(k.rsaPrivate, mechanism(command.MechSHA256RSAPKCSPSS), nil, Entropy{Reader: iotest.ErrReader(named)})
	refuse(t, command.StatusRNGError, err)
	_, err = Sign(k.rsaPrivate, mechanism(command.MechSHA256RSAPKCSPSS), nil, broken)
	refuse(t, command.StatusGeneralError, err)
}

func TestDeviceChosenNoncesDiffer(t *testing.T) {
	k := makeKeys(t)
	seen := map[string]bool{}
	for range 1000 {
		out, iv, err := Encrypt(k.aes, mechanism(command.MechAESGCM), []byte("data"), fresh)
		if err != nil || len(iv) != 12 || seen[string(iv)] {
			t.Fatalf("nonce %x, error %v", iv, err)
		}
		seen[string(iv)] = true
		plain := must(Decrypt(k.aes, &command.Mechanism{Type: command.MechAESGCM, IV: iv}, out))(t)
		if string(plain) != "data" {
			t.Fatalf("plaintext %q", plain)
		}
	}
}

func TestRawAndDERSignaturesAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{28, 32, 48, 66}).Draw(t, "size")
		raw := rapid.SliceOfN(rapid.Byte(), 2*size, 2*size).Draw(t, "raw")
		back, err := rawFromDER(derFromRaw(raw), size)
		if err != nil || !bytes.Equal(back, raw) {
			t.Fatalf("%x: %x, %v", raw, back, err)
		}
	})
}

func TestDecryptUndoesEncrypt(t *testing.T) {
	k := makeKeys(t)
	rapid.Check(t, func(t *rapid.T) {
		m := &command.Mechanism{
			Type: rapid.SampledFrom([]command.MechanismType{command.MechAESCBCPad, command.MechAESGCM}).Draw(t, "mechanism"),
			IV:   rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "iv"),
		}
		if m.Type == command.MechAESGCM {
			m.TagBits = rapid.SampledFrom([]uint{0, 96, 104, 112, 120, 128}).Draw(t, "tag")
			m.AAD = rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		}
		data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		out, _, err := Encrypt(k.aes, m, data, fresh)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decrypt(k.aes, m, out)
		if err != nil || !bytes.Equal(back, data) {
			t.Fatalf("%x: %v", back, err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	k := makeKeys(b)
	hash := make([]byte, 32)
	for _, c := range []struct {
		m   command.MechanismType
		key *Key
	}{{command.MechECDSA, k.ecPrivate}, {command.MechRSAPKCS, k.rsaPrivate}} {
		b.Run(fmt.Sprint(c.m), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Sign(c.key, mechanism(c.m), hash, fresh); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
