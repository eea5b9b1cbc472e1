package mech

import (
	"usbhsm7/firmware/command"
)

// encryption is what a mechanism of UseEncrypt and UseDecrypt does in one part.
type encryption struct {
	// encrypt returns the result, and the IV if the device chose it.
	encrypt func(k *Key, m *command.Mechanism, data []byte, entropy Entropy) (out, iv []byte, err error)
	decrypt func(k *Key, m *command.Mechanism, data []byte) ([]byte, error)
	takes   params
}

var (
	encryptionECB    = &encryption{withoutIV(encryptBlocks), decryptBlocks, 0}
	encryptionBlocks = &encryption{withoutIV(encryptBlocks), decryptBlocks, paramIV}
	encryptionPadded = &encryption{withoutIV(encryptPadded), decryptPadded, paramIV}
	encryptionCTR    = &encryption{withoutIV(applyCTR), applyCTR, paramIV | paramCounterBits}
	encryptionGCM    = &encryption{encryptGCM, decryptGCM, paramIV | paramAAD | paramTagBits}
	encryptionKW     = &encryption{withoutIV(wrapKW), unwrapKW, paramIV}
	encryptionKWP    = &encryption{withoutIV(wrapKWP), unwrapKWP, paramIV}
	encryptionRaw    = &encryption{encryptRaw, decryptRaw, 0}
	encryptionPKCS1  = &encryption{encryptPKCS1, decryptPKCS1, 0}
	encryptionOAEP   = &encryption{encryptOAEP, decryptOAEP, paramHash | paramMGF | paramLabel}
)

var encryptions = map[command.MechanismType]*encryption{
	command.MechAESECB:        encryptionECB,
	command.MechAESCBC:        encryptionBlocks,
	command.MechAESCBCPad:     encryptionPadded,
	command.MechAESCTR:        encryptionCTR,
	command.MechAESGCM:        encryptionGCM,
	command.MechAESKeyWrap:    encryptionKW,
	command.MechLunaAESKW:     encryptionKW,
	command.MechAESKeyWrapKWP: encryptionKWP,
	command.MechLunaAESKWP:    encryptionKWP,
	command.MechDES3ECB:       encryptionECB,
	command.MechDES3CBC:       encryptionBlocks,
	command.MechDES3CBCPad:    encryptionPadded,
	command.MechRSAX509:       encryptionRaw,
	command.MechRSAPKCS:       encryptionPKCS1,
	command.MechRSAPKCSOAEP:   encryptionOAEP,
}

// blockKeys are the types of key that the mechanisms of block ciphers take.
var blockKeys = map[command.MechanismType]uint64{
	command.MechAESECB:        command.KeyAES,
	command.MechAESCBC:        command.KeyAES,
	command.MechAESCBCPad:     command.KeyAES,
	command.MechAESCTR:        command.KeyAES,
	command.MechAESGCM:        command.KeyAES,
	command.MechAESCMAC:       command.KeyAES,
	command.MechAESKeyWrap:    command.KeyAES,
	command.MechLunaAESKW:     command.KeyAES,
	command.MechAESKeyWrapKWP: command.KeyAES,
	command.MechLunaAESKWP:    command.KeyAES,
	command.MechDES3ECB:       command.KeyDES3,
	command.MechDES3CBC:       command.KeyDES3,
	command.MechDES3CBCPad:    command.KeyDES3,
	command.MechDES3CMAC:      command.KeyDES3,
}

// Encrypt encrypts data. The second result is the nonce if the device chose
// it: AES-GCM without one gets 12 random bytes.
func Encrypt(k *Key, m *command.Mechanism, data []byte, entropy Entropy) (out, iv []byte, err error) {
	e, err := prepareCipher(k, m, data)
	if err != nil {
		return nil, nil, err
	}
	return e.encrypt(k, m, data, entropy)
}

// Decrypt is the inverse of Encrypt; AES-GCM needs the nonce.
func Decrypt(k *Key, m *command.Mechanism, data []byte) ([]byte, error) {
	e, err := prepareCipher(k, m, data)
	if err != nil {
		return nil, err
	}
	return e.decrypt(k, m, data)
}

func prepareCipher(k *Key, m *command.Mechanism, data []byte) (*encryption, error) {
	e, ok := encryptions[m.Type]
	if !ok {
		return nil, notFor(m.Type, "encryption")
	}
	if keyType, symmetric := blockKeys[m.Type]; symmetric && keyType != k.Type {
		return nil, wrongKey(m.Type)
	}
	if err := onlyParams(m, e.takes); err != nil {
		return nil, err
	}
	return e, checkLength(data)
}

// withoutIV makes an encrypt of a function whose result carries all there is.
func withoutIV(f func(*Key, *command.Mechanism, []byte) ([]byte, error)) func(*Key, *command.Mechanism, []byte, Entropy) ([]byte, []byte, error) {
	return func(k *Key, m *command.Mechanism, data []byte, _ Entropy) ([]byte, []byte, error) {
		out, err := f(k, m, data)
		return out, nil, err
	}
}
