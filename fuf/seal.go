package fuf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// The labels of the key derivation.
const (
	hpkeInfo     = "usbhsm7 update file, secret of the models"
	exportLabel  = "usbhsm7 update file, secret"
	chunkLabel   = "usbhsm7 update file, key of the chunks"
	tagLabel     = "usbhsm7 update file, key of the tags"
	commitLabel  = "usbhsm7 update file, commitment"
	secretSize   = 32
	encSize      = 1120 // of X25519 and ML-KEM-768: 1,088 and 32 bytes
	nonceCounter = 11   // bytes of the number of a chunk; one more says whether it is the last
)

// ModelKEM returns the key encapsulation of the keys of groups of models: X25519
// and ML-KEM-768 together.
func ModelKEM() hpke.KEM { return hpke.MLKEM768X25519() }

// ModelKeyID names the key of a group of models.
func ModelKeyID(public hpke.PublicKey) KeyID { return keyID(public.Bytes()) }

// Key is what the chunks of one file are encrypted with. It must be wiped after
// use.
type Key struct {
	aead    cipher.AEAD // of the chunks
	chunk   []byte      // its key
	tag     []byte      // key of the tags
	binding Digest      // SHA-256 of the release
	chunks  int
}

// keyOf derives the key from the secret that is encapsulated for the models and
// from the authentication code, and returns the commitment to it.
func keyOf(secret []byte, code Authcode, release *Release) (*Key, Digest, error) {
	encoded, err := encode(release)
	if err != nil {
		return nil, Digest{}, err
	}
	binding := Digest(sha256.Sum256(encoded))
	input := append(append(make([]byte, 0, len(secret)+len(code)), secret...), code[:]...)
	defer clear(input)
	master, err := hkdf.Extract(sha256.New, input, binding[:])
	if err != nil {
		return nil, Digest{}, fmt.Errorf("derive the key of an update file: %w", err)
	}
	defer clear(master)
	var out [3][]byte
	for i, label := range []string{chunkLabel, tagLabel, commitLabel} {
		if out[i], err = hkdf.Expand(sha256.New, master, label, secretSize); err != nil {
			return nil, Digest{}, fmt.Errorf("derive the key of an update file: %w", err)
		}
	}
	block, err := aes.NewCipher(out[0])
	if err != nil {
		return nil, Digest{}, fmt.Errorf("key of an update file: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, Digest{}, fmt.Errorf("key of an update file: %w", err)
	}
	key := &Key{aead: aead, chunk: out[0], tag: out[1], binding: binding, chunks: chunksOf(int(release.Size))}
	return key, Digest(out[2]), nil
}

// encapsulate makes a secret for a group of models.
func encapsulate(models hpke.PublicKey) (enc, secret []byte, err error) {
	enc, sender, err := hpke.NewSender(models, hpke.HKDFSHA256(), hpke.ExportOnly(), []byte(hpkeInfo))
	if err != nil {
		return nil, nil, fmt.Errorf("encapsulate: %w", err)
	}
	secret, err = sender.Export(exportLabel, secretSize)
	return enc, secret, err
}

func decapsulate(models hpke.PrivateKey, enc []byte) ([]byte, error) {
	recipient, err := hpke.NewRecipient(enc, models, hpke.HKDFSHA256(), hpke.ExportOnly(), []byte(hpkeInfo))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecipient, err)
	}
	return recipient.Export(exportLabel, secretSize)
}

// nonce returns the nonce of chunk i: its number, big-endian, and whether it is
// the last one.
func (k *Key) nonce(i int) []byte {
	nonce := make([]byte, nonceCounter+1)
	binary.BigEndian.PutUint64(nonce[nonceCounter-8:], uint64(i))
	if i == k.chunks-1 {
		nonce[nonceCounter] = 1
	}
	return nonce
}

// seal encrypts chunk i of the payload.
func (k *Key) seal(i int, plain []byte) []byte {
	return k.aead.Seal(nil, k.nonce(i), plain, k.binding[:])
}

// Decrypt appends the content of chunk i to dst. The error carries ErrChunk if
// the chunk is not the one that was encrypted in that place.
func (k *Key) Decrypt(dst []byte, i int, chunk []byte) ([]byte, error) {
	if i < 0 || i >= k.chunks || k.aead == nil {
		return nil, fmt.Errorf("%w: there is no chunk %d, or its key is wiped", ErrChunk, i)
	}
	plain, err := k.aead.Open(dst, k.nonce(i), chunk, k.binding[:])
	if err != nil {
		return nil, fmt.Errorf("%w: chunk %d does not decrypt", ErrChunk, i)
	}
	return plain, nil
}

// Tag returns the tag that a chunk with this content has in the file. A device
// that stores content with the tag of a chunk need not be sent the chunk.
func (k *Key) Tag(content []byte) Tag {
	mac := hmac.New(sha256.New, k.tag)
	mac.Write(content)
	return Tag(mac.Sum(nil)[:tagSize])
}

// Clone returns a copy, which is wiped by itself.
func (k *Key) Clone() *Key {
	c := *k
	c.chunk, c.tag = bytes.Clone(k.chunk), bytes.Clone(k.tag)
	return &c
}

// Wipe clears the key. It is of no use afterwards.
func (k *Key) Wipe() {
	clear(k.chunk)
	clear(k.tag)
	k.aead = nil
}

// commits reports whether both commitments are the same, in constant time.
func commits(a, b Digest) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
