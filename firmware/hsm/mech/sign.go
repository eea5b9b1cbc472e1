package mech

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"usbhsm7/firmware/command"
)

// maxHash is the longest hash, in bytes, that a host may send to be signed.
const maxHash = 64

// Sign makes a signature or a MAC over data. ECDSA signatures are r || s.
func Sign(k *Key, m *command.Mechanism, data []byte, entropy io.Reader) ([]byte, error) {
	s, err := prepare(m, data, "signing")
	if err != nil {
		return nil, err
	}
	switch s.scheme {
	case schemePKCS1:
		return signPKCS1(k, m, s.hash, data)
	case schemePSS:
		return signPSS(k, m, s.hash, data, entropy)
	case schemeECDSA:
		return signECDSA(k, m, s.hash, data, entropy)
	default:
		return mac(k, m, s.hash, data)
	}
}

// Verify checks a signature or a MAC over data.
func Verify(k *Key, m *command.Mechanism, data, sig []byte) error {
	s, err := prepare(m, data, "verifying")
	if err != nil {
		return err
	}
	switch s.scheme {
	case schemePKCS1:
		return verifyPKCS1(k, m, s.hash, data, sig)
	case schemePSS:
		return verifyPSS(k, m, s.hash, data, sig)
	case schemeECDSA:
		return verifyECDSA(k, m, s.hash, data, sig)
	default:
		return verifyMAC(k, m, s.hash, data, sig)
	}
}

func prepare(m *command.Mechanism, data []byte, use string) (signature, error) {
	s, ok := signatures[m.Type]
	if !ok {
		return s, notFor(m.Type, use)
	}
	var allowed params
	if s.scheme == schemePSS {
		allowed = paramHash | paramSalt
	}
	if err := onlyParams(m, allowed); err != nil {
		return s, err
	}
	return s, checkLength(data)
}

// message returns what goes into a scheme that signs hashes: data itself if
// the host has hashed it.
func message(hash crypto.Hash, data []byte) []byte {
	if hash == 0 {
		return data
	}
	return sum(hash, data)
}

// signPKCS1 follows RFC 8017, section 8.2.1; without a hash, data is the
// DigestInfo.
func signPKCS1(k *Key, m *command.Mechanism, hash crypto.Hash, data []byte) ([]byte, error) {
	if k.rsaPrivate == nil {
		return nil, wrongKey(m.Type)
	}
	if err := fitsPKCS1(hash, data, k.rsaPrivate.Size()); err != nil {
		return nil, err
	}
	sig, err := rsa.SignPKCS1v15(nil, k.rsaPrivate, hash, message(hash, data))
	if err != nil {
		return nil, signFailed(err)
	}
	return sig, nil
}

func verifyPKCS1(k *Key, m *command.Mechanism, hash crypto.Hash, data, sig []byte) error {
	if k.rsaPublic == nil {
		return wrongKey(m.Type)
	}
	size := k.rsaPublic.Size()
	if err := fitsPKCS1(hash, data, size); err != nil {
		return err
	}
	if len(sig) != size {
		return signatureLength(size)
	}
	return verdict(rsa.VerifyPKCS1v15(k.rsaPublic, hash, message(hash, data), sig) == nil)
}

// fitsPKCS1 leaves room for the 11 bytes of padding.
func fitsPKCS1(hash crypto.Hash, data []byte, size int) error {
	if hash == 0 && len(data) > size-11 {
		return command.StatusDataLenRange.With(fmt.Sprintf("at most %d bytes fit this key", size-11), "send a DigestInfo")
	}
	return nil
}

// signECDSA uses at most the leading bits of the hash that the curve's order
// has (FIPS 186-5, section 6.4.1).
func signECDSA(k *Key, m *command.Mechanism, hash crypto.Hash, data []byte, entropy io.Reader) ([]byte, error) {
	if k.ecPrivate == nil {
		return nil, wrongKey(m.Type)
	}
	if err := isHash(hash, data); err != nil {
		return nil, err
	}
	der, err := ecdsa.SignASN1(entropy, k.ecPrivate, message(hash, data))
	if err != nil {
		return nil, signFailed(err)
	}
	return rawFromDER(der, int(k.Bits+7)/8)
}

func verifyECDSA(k *Key, m *command.Mechanism, hash crypto.Hash, data, sig []byte) error {
	if k.ecPublic == nil {
		return wrongKey(m.Type)
	}
	if err := isHash(hash, data); err != nil {
		return err
	}
	size := int(k.Bits+7) / 8
	if len(sig) != 2*size {
		return signatureLength(2 * size)
	}
	return verdict(ecdsa.VerifyASN1(k.ecPublic, message(hash, data), derFromRaw(sig)))
}

func isHash(hash crypto.Hash, data []byte) error {
	if hash == 0 && (len(data) == 0 || len(data) > maxHash) {
		return command.StatusDataLenRange.With(fmt.Sprintf("a hash has 1 to %d bytes", maxHash), "")
	}
	return nil
}

// mac follows RFC 2104.
func mac(k *Key, m *command.Mechanism, hash crypto.Hash, data []byte) ([]byte, error) {
	if k.Type != command.KeyGenericSecret {
		return nil, wrongKey(m.Type)
	}
	h := hmac.New(hash.New, k.secret)
	h.Write(data)
	return h.Sum(nil), nil
}

func verifyMAC(k *Key, m *command.Mechanism, hash crypto.Hash, data, sig []byte) error {
	want, err := mac(k, m, hash, data)
	if err != nil {
		return err
	}
	if len(sig) != len(want) {
		return signatureLength(len(want))
	}
	return verdict(hmac.Equal(sig, want))
}

func verdict(ok bool) error {
	if !ok {
		return command.StatusSignatureInvalid.With("the signature does not belong to this data and key", "")
	}
	return nil
}

func signatureLength(want int) error {
	return command.StatusSignatureLenRange.With(fmt.Sprintf("a signature of this key has %d bytes", want), "")
}

// signFailed keeps a refusal of the entropy source.
func signFailed(err error) error {
	if e := (*command.Error)(nil); errors.As(err, &e) {
		return e
	}
	return command.StatusGeneralError.With("the signature could not be made", "")
}
