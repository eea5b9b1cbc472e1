package fuf_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/cloudflare/circl/kem/xwing"

	"usbhsm7/fuf/testkeys"
)

// labelled is LabeledExpand of RFC 9180, section 4, for the one suite of the
// format, and labelledExtract is LabeledExtract.
func labelled(t *testing.T, prk []byte, label string, info []byte) []byte {
	t.Helper()
	out, err := hkdf.Expand(sha256.New, prk, "\x00\x20"+suite+label+string(info), 32)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func labelledExtract(t *testing.T, salt []byte, label, ikm string) []byte {
	t.Helper()
	prk, err := hkdf.Extract(sha256.New, []byte(suite+label+ikm), salt)
	if err != nil {
		t.Fatal(err)
	}
	return prk
}

// suite is "HPKE-v1" and suite_id: X-Wing, HKDF-SHA256, export only.
const suite = "HPKE-v1HPKE\x64\x7a\x00\x01\xff\xff"

// oracleSecret is the exporter of RFC 9180, section 5.3, with circl's X-Wing.
func oracleSecret(t *testing.T, enc []byte) []byte {
	t.Helper()
	seed, err := testkeys.Models().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	shared := xwing.Decapsulate(enc, seed)
	context := slices.Concat([]byte{0}, labelledExtract(t, nil, "psk_id_hash", ""),
		labelledExtract(t, nil, "info_hash", "usbhsm7 update file, secret of the models"))
	secret := labelledExtract(t, shared, "secret", "")
	exporter := labelled(t, secret, "exp", context)
	return labelled(t, exporter, "sec", []byte("usbhsm7 update file, secret"))
}

// TestAnIndependentImplementationDecrypts compares what the oracle decrypts with what
// went into a file.
func TestAnIndependentImplementationDecrypts(t *testing.T) {
	if !bytes.Equal(oracleDecrypt(t, sample(t, 16384+5)), content(16384+5)) {
		t.Error("another payload")
	}
}

// oracleDecrypt follows the specification with circl and the walk of the oracle.
func oracleDecrypt(t *testing.T, file []byte) (payload []byte) {
	t.Helper()
	signed := int(binary.LittleEndian.Uint32(file[12:]))
	table := file[24+signed:][:binary.LittleEndian.Uint32(file[20:])]
	manifest, err := oracleSigned(file[24:][:signed])
	if err != nil {
		t.Fatal(err)
	}
	encoded := file[bytes.Index(file, []byte("\xa3\x01\x01\x02"))+4:]
	_, rest, ok := walkItem(encoded, 0)
	if !ok {
		t.Fatal("no release")
	}
	binding := sha256.Sum256(encoded[:len(encoded)-len(rest)])
	raw, err := base64.StdEncoding.DecodeString(code.Text())
	if err != nil {
		t.Fatal(err)
	}
	master, err := hkdf.Extract(sha256.New, append(oracleSecret(t, manifest.at(3).at(2).bytes), raw...), binding[:])
	if err != nil {
		t.Fatal(err)
	}
	var keys [3][]byte
	for i, label := range []string{"key of the chunks", "key of the tags", "commitment"} {
		if keys[i], err = hkdf.Expand(sha256.New, master, "usbhsm7 update file, "+label, 32); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(keys[2], manifest.at(3).at(3).bytes) {
		t.Error("another commitment")
	}
	block, err := aes.NewCipher(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	last := len(table)/48 - 1
	for i, chunk := range slices.Collect(slices.Chunk(file[24+signed+len(table):], 16400)) {
		nonce := slices.Concat(make([]byte, 10), []byte{byte(i), 0})
		if i == last {
			nonce[11] = 1
		}
		plain, err := gcm.Open(nil, nonce, chunk, binding[:])
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, keys[1])
		mac.Write(plain)
		if !bytes.Equal(mac.Sum(nil)[:16], table[48*i+32:][:16]) {
			t.Errorf("chunk %d has another tag", i)
		}
		payload = append(payload, plain...)
	}
	return payload
}
