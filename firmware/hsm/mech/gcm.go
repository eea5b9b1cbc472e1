package mech

import (
	"crypto/cipher"
	"crypto/subtle"
	"fmt"

	"usbhsm7/firmware/command"
)

const (
	gcmNonce = 12 // bytes of a nonce that the device chooses
	gcmTag   = 16 // bytes of a full tag
	maxIV    = 256
)

// encryptGCM follows SP 800-38D; the tag stands behind the ciphertext.
func encryptGCM(k *Key, m *command.Mechanism, data []byte, entropy Entropy) (out, iv []byte, err error) {
	nonce := m.IV
	if nonce == nil {
		if nonce, err = Random(gcmNonce, entropy.Reader); err != nil {
			return nil, nil, err
		}
		iv = nonce
	}
	aead, tag, err := gcmOf(k, m, nonce)
	if err != nil {
		return nil, nil, err
	}
	sealed := aead.Seal(nil, nonce, data, m.AAD)
	return sealed[:len(data)+tag], iv, nil
}

func decryptGCM(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	aead, tag, err := gcmOf(k, m, m.IV)
	if err != nil {
		return nil, err
	}
	if len(data) < tag {
		return nil, badCiphertextLength("the ciphertext is shorter than its tag")
	}
	if tag < gcmTag {
		return openShortTag(aead, m, data, tag)
	}
	out, err := aead.Open(nil, m.IV, data, m.AAD)
	if err != nil {
		return nil, undecipherable("the tag is wrong")
	}
	return out, nil
}

// openShortTag opens a ciphertext with a truncated tag. GCM is a stream
// cipher, so sealing the ciphertext gives the plaintext, and sealing that again
// the full tag to compare with.
func openShortTag(aead cipher.AEAD, m *command.Mechanism, data []byte, tag int) ([]byte, error) {
	text := data[:len(data)-tag]
	plain := aead.Seal(nil, m.IV, text, nil)[:len(text)]
	again := aead.Seal(nil, m.IV, plain, m.AAD)
	if subtle.ConstantTimeCompare(again[len(text):len(text)+tag], data[len(text):]) != 1 {
		clear(plain)
		return nil, undecipherable("the tag is wrong")
	}
	return plain, nil
}

// gcmOf returns the cipher for a nonce and the bytes of its tag.
func gcmOf(k *Key, m *command.Mechanism, nonce []byte) (aead cipher.AEAD, tag int, err error) {
	switch m.TagBits {
	case 0, 128:
		tag = gcmTag
	case 96, 104, 112, 120:
		tag = int(m.TagBits / 8)
	default:
		return nil, 0, badParam(fmt.Sprintf("no GCM tag has %d bits", m.TagBits), "use 96, 104, 112, 120 or 128")
	}
	if len(nonce) == 0 || len(nonce) > maxIV {
		return nil, 0, badParam(fmt.Sprintf("the nonce of GCM has 1 to %d bytes", maxIV), "")
	}
	if len(nonce) == gcmNonce {
		return k.gcm, tag, nil
	}
	aead, err = cipher.NewGCMWithNonceSize(k.block, len(nonce))
	if err != nil {
		return nil, 0, badParam("this nonce cannot be used", "")
	}
	return aead, tag, nil
}
