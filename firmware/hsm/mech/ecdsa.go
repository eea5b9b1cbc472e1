package mech

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	koblitz "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"usbhsm7/firmware/command"
)

// maxHash is the longest hash, in bytes, that a host may send to be signed.
const maxHash = 64

// signECDSA uses at most the leading bits of the hash that the curve's order
// has (FIPS 186-5, section 6.4.1).
func signECDSA(k *Key, t task, entropy Entropy) ([]byte, error) {
	if err := isHash(t); err != nil {
		return nil, err
	}
	if private, ok := k.private.(*secp256k1.PrivateKey); ok {
		return signKoblitz(private, t.input), nil
	}
	private, err := privateAs[*ecdsa.PrivateKey](k, t.m.Type)
	if err != nil {
		return nil, err
	}
	var der []byte
	if entropy.Seeded {
		hash, digest := deterministic(t, int(k.Bits+7)/8)
		der, err = private.Sign(nil, digest, hash)
	} else {
		der, err = ecdsa.SignASN1(entropy.Reader, private, t.input)
	}
	if err != nil {
		return nil, failed(err, "the signature could not be made")
	}
	return rawFromDER(der, int(k.Bits+7)/8)
}

func verifyECDSA(k *Key, t task, sig []byte) error {
	if err := isHash(t); err != nil {
		return err
	}
	size := int(k.Bits+7) / 8
	if public, ok := k.public.(*secp256k1.PublicKey); ok {
		return verifyKoblitz(public, t.input, sig)
	}
	public, err := publicAs[*ecdsa.PublicKey](k, t.m.Type)
	if err != nil {
		return err
	}
	if len(sig) != 2*size {
		return signatureLength(2 * size)
	}
	return verdict(ecdsa.VerifyASN1(public, t.input, derFromRaw(sig)))
}

func isHash(t task) error {
	if t.hash == 0 && (len(t.input) == 0 || len(t.input) > maxHash) {
		return badLength(fmt.Sprintf("a hash has 1 to %d bytes", maxHash), "")
	}
	return nil
}

// deterministic returns the digest with the hash function that makes the nonce
// of RFC 6979. A digest of no known length is brought to one without changing
// the number that is signed: cut to the bytes of the order, or preceded by zeros.
func deterministic(t task, size int) (crypto.Hash, []byte) {
	if t.hash != 0 {
		return t.hash, t.input
	}
	known := []crypto.Hash{crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}
	for _, hash := range known {
		if len(t.input) == hash.Size() {
			return hash, t.input
		}
	}
	digest := t.input[:min(len(t.input), size)]
	for _, hash := range known {
		if len(digest) <= hash.Size() {
			padded := make([]byte, hash.Size())
			copy(padded[len(padded)-len(digest):], digest)
			return hash, padded
		}
	}
	return crypto.SHA512, digest // cannot be reached: no hash is longer than maxHash
}

// signKoblitz signs with secp256k1; the nonce is that of RFC 6979.
func signKoblitz(private *secp256k1.PrivateKey, hash []byte) []byte {
	signature := koblitz.Sign(private, koblitzHash(hash))
	r, s := signature.R(), signature.S()
	raw := make([]byte, 64)
	r.PutBytesUnchecked(raw[:32])
	s.PutBytesUnchecked(raw[32:])
	return raw
}

func verifyKoblitz(public *secp256k1.PublicKey, hash, sig []byte) error {
	if len(sig) != 64 {
		return signatureLength(64)
	}
	var r, s secp256k1.ModNScalar
	if r.SetByteSlice(sig[:32]) || s.SetByteSlice(sig[32:]) || r.IsZero() || s.IsZero() {
		return verdict(false)
	}
	return verdict(koblitz.NewSignature(&r, &s).Verify(koblitzHash(hash), public))
}

// koblitzHash makes 32 bytes of a hash that mean the same number.
func koblitzHash(hash []byte) []byte {
	hash = hash[:min(len(hash), 32)]
	padded := make([]byte, 32)
	copy(padded[32-len(hash):], hash)
	return padded
}

// rawFromDER turns Ecdsa-Sig-Value (RFC 5480, appendix A) into r || s, each of
// size bytes.
func rawFromDER(der []byte, size int) ([]byte, error) {
	var sequence cryptobyte.String
	var r, s []byte
	input := cryptobyte.String(der)
	if !input.ReadASN1(&sequence, asn1.SEQUENCE) ||
		!sequence.ReadASN1Integer(&r) || !sequence.ReadASN1Integer(&s) ||
		len(r) > size || len(s) > size {
		return nil, command.StatusGeneralError.With("the signature could not be encoded", "")
	}
	raw := make([]byte, 2*size)
	copy(raw[size-len(r):], r)
	copy(raw[2*size-len(s):], s)
	return raw, nil
}

// derFromRaw is the inverse for a raw of even length below 242 bytes.
func derFromRaw(raw []byte) []byte {
	half := len(raw) / 2
	body := appendInteger(make([]byte, 3, len(raw)+10), raw[:half])
	body = appendInteger(body, raw[half:])
	length := len(body) - 3
	if length >= 0x80 {
		body[0], body[1], body[2] = byte(asn1.SEQUENCE), 0x81, byte(length)
		return body
	}
	body[1], body[2] = byte(asn1.SEQUENCE), byte(length)
	return body[1:]
}

// appendInteger appends a DER integer shorter than 128 bytes.
func appendInteger(dst, magnitude []byte) []byte {
	magnitude = bytes.TrimLeft(magnitude, "\x00")
	if len(magnitude) == 0 || magnitude[0] >= 0x80 {
		dst = append(dst, byte(asn1.INTEGER), byte(len(magnitude)+1), 0)
	} else {
		dst = append(dst, byte(asn1.INTEGER), byte(len(magnitude)))
	}
	return append(dst, magnitude...)
}
