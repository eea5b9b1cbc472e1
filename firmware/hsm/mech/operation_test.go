package mech

import (
	"bytes"
	"crypto/rand"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
)

// split cuts data into parts, some of them empty.
func split(t *rapid.T, data []byte) [][]byte {
	var parts [][]byte
	for len(data) > 0 {
		n := rapid.IntRange(0, len(data)).Draw(t, "part")
		parts = append(parts, data[:n])
		data = data[n:]
	}
	return parts
}

// feed gives parts to an operation, each in a buffer that is overwritten
// afterwards, and returns all that it answers.
func feed(o Operation, parts [][]byte, signature []byte) ([]byte, error) {
	var out []byte
	for _, part := range parts {
		own := bytes.Clone(part)
		grown, err := o.Update(own)
		if err != nil {
			return nil, err
		}
		clear(own)
		out = append(out, grown...)
	}
	rest, err := o.Finish(signature)
	return append(out, rest...), err
}

// inParts lists the mechanisms that take data in parts, with their parameters.
func inParts() []*command.Mechanism {
	iv := bytes.Repeat([]byte{7}, 16)
	return []*command.Mechanism{
		{Type: command.MechAESECB},
		{Type: command.MechAESCBC, IV: iv},
		{Type: command.MechAESCBCPad, IV: iv},
		{Type: command.MechAESCTR, IV: iv},
		{Type: command.MechAESGCM, IV: iv[:12], AAD: iv},
		{Type: command.MechAESGCM, IV: iv, TagBits: 96},
		{Type: command.MechDES3ECB},
		{Type: command.MechDES3CBC, IV: iv[:8]},
		{Type: command.MechDES3CBCPad, IV: iv[:8]},
	}
}

func TestEncryptionInPartsIsEncryption(t *testing.T) {
	k := makeKeys(t)
	for _, m := range inParts() {
		t.Run(m.Type.String(), func(t *testing.T) {
			row, _ := command.LookupMechanism(m.Type)
			key := k.private[row.Keys[0]]
			rapid.Check(t, func(t *rapid.T) {
				data := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "data")
				if m.Type == command.MechAESECB || m.Type == command.MechAESCBC || m.Type == command.MechDES3ECB || m.Type == command.MechDES3CBC {
					data = data[:len(data)/16*16]
				}
				want, _, err := Encrypt(key, m, data, fresh)
				if err != nil {
					t.Fatal(err)
				}
				encrypter, _, err := NewEncrypter(key, m, fresh)
				if err != nil {
					t.Fatal(err)
				}
				got, err := feed(encrypter, split(t, data), nil)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%x, %v, want %x", got, err, want)
				}
				decrypter, err := NewDecrypter(key, m)
				if err != nil {
					t.Fatal(err)
				}
				back, err := feed(decrypter, split(t, want), nil)
				if err != nil || !bytes.Equal(back, data) {
					t.Fatalf("%x, %v, want %x", back, err, data)
				}
			})
		})
	}
}

func TestSignatureInPartsIsSignature(t *testing.T) {
	k := makeKeys(t)
	for _, row := range command.MechanismTable {
		m := mechanism(row.Type)
		if row.Type == command.MechAESGMAC || row.Type == command.MechLunaAESGMAC {
			m.IV = make([]byte, 12)
		}
		if row.Uses&command.UseSign == 0 {
			continue
		}
		t.Run(row.Name, func(t *testing.T) {
			private, public := k.private[row.Keys[0]], k.public[row.Keys[0]]
			if s, ok := signatures[row.Type]; ok && s.hash == 0 {
				_, err := NewSigner(private, m, fresh)
				refuse(t, command.StatusMechanismInvalid, err)
				_, err = NewVerifier(public, m)
				refuse(t, command.StatusMechanismInvalid, err)
				return
			}
			data := []byte("what is signed, and is longer than a block")
			signer := must(NewSigner(private, m, fresh))(t)
			signature := must(feed(signer, [][]byte{data[:5], nil, data[5:40], data[40:]}, nil))(t)
			if err := Verify(public, m, data, signature); err != nil {
				t.Error(err)
			}
			verifier := must(NewVerifier(public, m))(t)
			if out, err := feed(verifier, [][]byte{data[:16], data[16:]}, signature); err != nil || len(out) != 0 {
				t.Errorf("%x, %v", out, err)
			}
			_, err := feed(must(NewVerifier(public, m))(t), [][]byte{data[1:]}, signature)
			refuse(t, command.StatusSignatureInvalid, err)
			_, err = feed(must(NewVerifier(public, m))(t), [][]byte{data}, signature[1:])
			refuse(t, command.StatusSignatureLenRange, err)
		})
	}
}

func TestDigestInPartsIsDigest(t *testing.T) {
	for m := range hashes {
		rapid.Check(t, func(t *rapid.T) {
			data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
			want, err := Digest(mechanism(m), data)
			if err != nil {
				t.Fatal(err)
			}
			o, err := NewDigester(mechanism(m))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := feed(o, split(t, data), nil); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%x, %v, want %x", got, err, want)
			}
		})
	}
	k := makeKeys(t)
	o := must(NewDigester(mechanism(command.MechSHA256)))(t)
	if err := DigestKey(o, k.aes); err != nil {
		t.Fatal(err)
	}
	if got := must(o.Finish(nil))(t); !bytes.Equal(got, sum(hashes[command.MechSHA256], bytes.Repeat([]byte{1}, 32))) {
		t.Errorf("digest of a key: %x", got)
	}
	refuse(t, command.StatusKeyIndigestible, DigestKey(must(NewDigester(mechanism(command.MechSHA256)))(t), k.rsaPublic))
}

// A plaintext must not come out before its tag was looked at.
func TestGCMDecryptionInPartsHoldsTheTextBack(t *testing.T) {
	k := makeKeys(t)
	m := &command.Mechanism{Type: command.MechAESGCM, IV: make([]byte, 12)}
	sealed, _, err := Encrypt(k.aes, m, make([]byte, 1000), fresh)
	if err != nil {
		t.Fatal(err)
	}
	o := must(NewDecrypter(k.aes, m))(t)
	if out, err := o.Update(sealed[:500]); err != nil || len(out) != 0 {
		t.Errorf("%d bytes came out early, %v", len(out), err)
	}
	if out, err := o.Update(spoil(sealed[500:])); err != nil || len(out) != 0 {
		t.Errorf("%d bytes came out early, %v", len(out), err)
	}
	out, err := o.Finish(nil)
	refuse(t, command.StatusEncryptedDataInvalid, err)
	if len(out) != 0 {
		t.Errorf("%d bytes came out in spite of the tag", len(out))
	}
}

func TestGCMEncryptionInPartsChoosesANonce(t *testing.T) {
	k := makeKeys(t)
	o, iv, err := NewEncrypter(k.aes, mechanism(command.MechAESGCM), fresh)
	if err != nil || len(iv) != gcmNonce {
		t.Fatalf("nonce %x, %v", iv, err)
	}
	sealed := must(feed(o, [][]byte{[]byte("da"), []byte("ta")}, nil))(t)
	if plain := must(Decrypt(k.aes, &command.Mechanism{Type: command.MechAESGCM, IV: iv}, sealed))(t); string(plain) != "data" {
		t.Errorf("%q", plain)
	}
}

func TestRefusedParts(t *testing.T) {
	k := makeKeys(t)
	iv := make([]byte, 16)
	encrypt := func(m *command.Mechanism, parts ...[]byte) error {
		o, _, err := NewEncrypter(k.aes, m, fresh)
		if err == nil {
			_, err = feed(o, parts, nil)
		}
		return err
	}
	decrypt := func(m *command.Mechanism, parts ...[]byte) error {
		o, err := NewDecrypter(k.aes, m)
		if err == nil {
			_, err = feed(o, parts, nil)
		}
		return err
	}
	last := bytes.Repeat([]byte{0xFF}, 16)
	huge := make([]byte, MaxData)
	for name, c := range map[string]struct {
		want command.Status
		err  error
	}{
		"part of a block":           {command.StatusDataLenRange, encrypt(&command.Mechanism{Type: command.MechAESCBC, IV: iv}, iv, iv[:1])},
		"part of a ciphertext":      {command.StatusEncryptedDataLenRange, decrypt(&command.Mechanism{Type: command.MechAESCBC, IV: iv}, iv[:1])},
		"empty padded ciphertext":   {command.StatusEncryptedDataLenRange, decrypt(&command.Mechanism{Type: command.MechAESCBCPad, IV: iv})},
		"wrong padding":             {command.StatusEncryptedDataInvalid, decrypt(&command.Mechanism{Type: command.MechAESCBCPad, IV: iv}, iv, iv)},
		"short IV":                  {command.StatusMechanismParamInvalid, encrypt(&command.Mechanism{Type: command.MechAESCBC, IV: iv[1:]})},
		"IV of ECB":                 {command.StatusMechanismParamInvalid, encrypt(&command.Mechanism{Type: command.MechAESECB, IV: iv})},
		"too much for a tag":        {command.StatusDataLenRange, encrypt(&command.Mechanism{Type: command.MechAESGCM}, huge, iv)},
		"GCM decryption, no nonce":  {command.StatusMechanismParamInvalid, decrypt(mechanism(command.MechAESGCM))},
		"counter exhausted":         {command.StatusDataLenRange, encrypt(&command.Mechanism{Type: command.MechAESCTR, IV: last, CounterBits: 8}, iv, iv[:1])},
		"key wrap":                  {command.StatusMechanismInvalid, encrypt(mechanism(command.MechAESKeyWrap), iv)},
		"signature as a cipher":     {command.StatusMechanismInvalid, encrypt(mechanism(command.MechECDSASHA256), iv)},
		"3DES with an AES key":      {command.StatusKeyTypeInconsistent, encrypt(mechanism(command.MechDES3ECB), iv)},
		"wrong kind of signing key": {command.StatusKeyTypeInconsistent, second(NewSigner(k.aes, mechanism(command.MechECDSASHA256), fresh))},
		"digest as a signature":     {command.StatusMechanismInvalid, second(NewSigner(k.aes, mechanism(command.MechSHA256), fresh))},
		"signature as a digest":     {command.StatusMechanismInvalid, second(NewDigester(mechanism(command.MechSHA256HMAC)))},
	} {
		t.Run(name, func(t *testing.T) { refuse(t, c.want, c.err) })
	}
}

func TestCounterBlocks(t *testing.T) {
	k := makeKeys(t)
	for _, c := range []struct {
		low  byte // of a counter block of ones
		bits uint
		room int // blocks
	}{{0xFF, 1, 1}, {0xFE, 1, 2}, {0xFC, 2, 4}, {0xFF, 8, 1}, {0x00, 8, 256}, {0xF0, 64, 16}, {0xF0, 65, 16}, {0xFE, 128, 2}} {
		block := append(bytes.Repeat([]byte{0xFF}, 15), c.low)
		m := &command.Mechanism{Type: command.MechAESCTR, IV: block, CounterBits: c.bits}
		if _, _, err := Encrypt(k.aes, m, make([]byte, 16*c.room), fresh); err != nil {
			t.Errorf("%d bits from %x: %v", c.bits, c.low, err)
		}
		_, _, err := Encrypt(k.aes, m, make([]byte, 16*c.room+1), fresh)
		refuse(t, command.StatusDataLenRange, err)
	}
	zero := &command.Mechanism{Type: command.MechAESCTR, IV: make([]byte, 16)}
	for bits := range uint(130) {
		zero.CounterBits = bits
		_, _, err := Encrypt(k.aes, zero, make([]byte, 16), fresh)
		if good := bits <= 128; good != (err == nil) {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

func TestWrappedKeysComeBack(t *testing.T) {
	k := makeKeys(t)
	iv := make([]byte, 16)
	rapid.Check(t, func(t *rapid.T) {
		material := rapid.SliceOfN(rapid.Byte(), 8, 64).Draw(t, "material")
		whole := material[:len(material)/8*8]
		for m, c := range map[*command.Mechanism]struct {
			wrap, unwrap *Key
			material     []byte
		}{
			{Type: command.MechAESKeyWrapKWP}:                                  {k.aes, k.aes, material},
			{Type: command.MechAESKeyWrap}:                                     {k.aes, k.aes, append(whole, whole...)},
			{Type: command.MechAESCBCPad, IV: iv}:                              {k.aes, k.aes, material},
			{Type: command.MechAESCBC, IV: iv}:                                 {k.aes, k.aes, material},
			{Type: command.MechAESECB}:                                         {k.aes, k.aes, material},
			{Type: command.MechDES3CBCPad, IV: iv[:8]}:                         {k.private[command.KeyDES3], k.private[command.KeyDES3], material},
			{Type: command.MechRSAPKCS}:                                        {k.rsaPublic, k.rsaPrivate, material},
			{Type: command.MechRSAPKCSOAEP, Hash: command.MechSHA1, Label: iv}: {k.rsaPublic, k.rsaPrivate, material},
		} {
			wrapped, _, err := Wrap(c.wrap, m, c.material, fresh)
			if err != nil {
				t.Fatalf("%s: %v", m.Type, err)
			}
			back, err := Unwrap(c.unwrap, m, wrapped)
			if err != nil || !bytes.HasPrefix(back, c.material) || len(bytes.TrimLeft(back[len(c.material):], "\x00")) != 0 {
				t.Fatalf("%s: %x, %v", m.Type, back, err)
			}
		}
	})
	_, _, err := Wrap(k.aes, &command.Mechanism{Type: command.MechAESCTR, IV: iv}, iv, fresh)
	refuse(t, command.StatusMechanismInvalid, err)
	_, err = Unwrap(k.generic, mechanism(command.MechSHA256HMAC), iv)
	refuse(t, command.StatusMechanismInvalid, err)
}

func TestPrivateKeysTravelAsPKCS8(t *testing.T) {
	k := makeKeys(t)
	pairs := map[string]*Pair{"RSA": must(GenerateRSA(2048, fresh))(t)}
	for _, c := range Curves() {
		pairs[c.Name] = must(GenerateEC(c.Type, c.OID, fresh))(t)
	}
	for keyType, sets := range parameterSets {
		for set, number := range sets {
			pairs[string(rune(keyType))+string(rune(number))] = must(GenerateLattice(keyType, set, fresh))(t)
		}
	}
	for name, pair := range pairs {
		der := must(pair.Key.PKCS8())(t)
		back, err := ParsePKCS8(der)
		if err != nil || back.Key.Type != pair.Key.Type || !bytes.Equal(back.Private, pair.Private) || !bytes.Equal(back.ECPoint, pair.ECPoint) ||
			!bytes.Equal(back.Value, pair.Value) || !bytes.Equal(back.Modulus, pair.Modulus) || back.ParameterSet != pair.ParameterSet {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ParsePKCS8(append(bytes.Clone(der), 0)); err == nil {
			t.Errorf("%s: accepted with a byte more", name)
		}
		if _, err := ParsePKCS8(der[:len(der)-1]); err == nil {
			t.Errorf("%s: accepted with a byte less", name)
		}
	}
	_, err := k.rsaPublic.PKCS8()
	refuse(t, command.StatusKeyTypeInconsistent, err)
	_, err = k.aes.PKCS8()
	refuse(t, command.StatusKeyTypeInconsistent, err)
}

func FuzzPKCS8(f *testing.F) {
	for _, c := range Curves() {
		pair, err := GenerateEC(c.Type, c.OID, Entropy{rand.Reader, false})
		if err != nil {
			f.Fatal(err)
		}
		der, err := pair.Key.PKCS8()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		pair, err := ParsePKCS8(der)
		if err != nil {
			return
		}
		again, err := pair.Key.PKCS8()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParsePKCS8(again); err != nil || !bytes.Equal(back.Private, pair.Private) {
			t.Fatalf("not its own inverse: %v", err)
		}
	})
}
