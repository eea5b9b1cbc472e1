package mech

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"io"

	"usbhsm7/firmware/command"
)

const (
	gcmNonce = 12 // bytes of a nonce that the device chooses
	gcmTag   = 16 // bytes of a full tag
	maxIV    = 256
)

// Encrypt encrypts data. The second result is the nonce if the device chose
// it: AES-GCM without one gets 12 random bytes.
func Encrypt(k *Key, m *command.Mechanism, data []byte, entropy io.Reader) (out, iv []byte, err error) {
	mode, err := prepareCipher(k, m, data)
	if err != nil {
		return nil, nil, err
	}
	if mode == modeGCM {
		return encryptGCM(k, m, data, entropy)
	}
	if mode == modeCBCPad {
		data = pad(data)
	} else if len(data)%aes.BlockSize != 0 {
		return nil, nil, command.StatusDataLenRange.With("AES_CBC takes whole blocks of 16 bytes", "use AES_CBC_PAD")
	}
	out = make([]byte, len(data))
	cipher.NewCBCEncrypter(k.block, m.IV).CryptBlocks(out, data)
	return out, nil, nil
}

// Decrypt is the inverse of Encrypt; AES-GCM needs the nonce.
func Decrypt(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	mode, err := prepareCipher(k, m, data)
	if err != nil {
		return nil, err
	}
	if mode == modeGCM {
		return decryptGCM(k, m, data)
	}
	if len(data)%aes.BlockSize != 0 || mode == modeCBCPad && len(data) == 0 {
		return nil, command.StatusEncryptedDataLenRange.With("a CBC ciphertext has whole blocks of 16 bytes", "")
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(k.block, m.IV).CryptBlocks(out, data)
	if mode == modeCBCPad {
		return unpad(out)
	}
	return out, nil
}

func prepareCipher(k *Key, m *command.Mechanism, data []byte) (cipherMode, error) {
	mode, ok := ciphers[m.Type]
	if !ok {
		return 0, notFor(m.Type, "encryption")
	}
	if k.block == nil {
		return 0, wrongKey(m.Type)
	}
	allowed := paramIV
	if mode == modeGCM {
		allowed |= paramAAD | paramTagBits
	} else if len(m.IV) != aes.BlockSize {
		return 0, badParam("the IV of CBC has 16 bytes", "")
	}
	if err := onlyParams(m, allowed); err != nil {
		return 0, err
	}
	return mode, checkLength(data)
}

// pad appends 1 to 16 bytes, each their number (RFC 5652, section 6.3).
func pad(data []byte) []byte {
	n := aes.BlockSize - len(data)%aes.BlockSize
	padded := make([]byte, len(data)+n)
	for i := copy(padded, data); i < len(padded); i++ {
		padded[i] = byte(n)
	}
	return padded
}

// unpad looks at all bytes of the last block whatever they say.
func unpad(data []byte) ([]byte, error) {
	block := data[len(data)-aes.BlockSize:]
	n := int(block[aes.BlockSize-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, aes.BlockSize)
	for i, b := range block {
		outside := subtle.ConstantTimeLessOrEq(n, aes.BlockSize-1-i)
		good &= outside | subtle.ConstantTimeByteEq(b, byte(n))
	}
	if good != 1 {
		return nil, undecipherable("the padding is wrong")
	}
	return data[:len(data)-n], nil
}

func encryptGCM(k *Key, m *command.Mechanism, data []byte, entropy io.Reader) (out, iv []byte, err error) {
	nonce := m.IV
	if nonce == nil {
		if nonce, err = Random(gcmNonce, entropy); err != nil {
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
		return nil, command.StatusEncryptedDataLenRange.With("the ciphertext is shorter than its tag", "")
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

func undecipherable(cause string) error {
	return command.StatusEncryptedDataInvalid.With(cause, "")
}
