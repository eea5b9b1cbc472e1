package mech

import (
	"testing"

	"usbhsm7/firmware/command"
)

func TestApprovedConfiguration(t *testing.T) {
	k := makeKeys(t)
	short := must(ParseSecret(command.KeyGenericSecret, make([]byte, 13)))(t)
	koblitz := must(GenerateEC(command.KeyEC, curveNamed("secp256k1").OID, fresh))(t)
	koblitzPublic := must(ParsePublic(command.KeyEC, koblitz.Public))(t)
	for name, c := range map[string]struct {
		key  *Key
		m    *command.Mechanism
		use  command.Use
		want bool
	}{
		"RSA signature":                {k.rsaPrivate, mechanism(command.MechSHA256RSAPKCS), command.UseSign, true},
		"RSA signature, SHA-1":         {k.rsaPrivate, mechanism(command.MechSHA1RSAPKCS), command.UseSign, false},
		"RSA verification, SHA-1":      {k.rsaPublic, mechanism(command.MechSHA1RSAPKCS), command.UseVerify, true},
		"PSS over SHA-1":               {k.rsaPrivate, bare(command.MechSHA1, 20), command.UseSign, false},
		"PSS over SHA-256":             {k.rsaPrivate, bare(command.MechSHA256, 32), command.UseSign, true},
		"PSS over SHA-1, verification": {k.rsaPublic, bare(command.MechSHA1, 20), command.UseVerify, true},
		"PKCS#1 v1.5 encryption":       {k.rsaPublic, mechanism(command.MechRSAPKCS), command.UseEncrypt, false},
		"PKCS#1 v1.5 signature":        {k.rsaPrivate, mechanism(command.MechRSAPKCS), command.UseSign, true},
		"raw RSA":                      {k.rsaPrivate, mechanism(command.MechRSAX509), command.UseSign, false},
		"P-256":                        {k.ecPrivate, mechanism(command.MechECDSA), command.UseSign, true},
		"secp256k1":                    {koblitz.Key, mechanism(command.MechECDSA), command.UseSign, false},
		"secp256k1, verification":      {koblitzPublic, mechanism(command.MechECDSA), command.UseVerify, false},
		"X25519":                       {k.private[command.KeyECMontgomery], mechanism(command.MechECDH1Derive), command.UseDerive, false},
		"ECDH on P-256":                {k.ecPrivate, mechanism(command.MechECDH1Derive), command.UseDerive, true},
		"Ed25519":                      {k.private[command.KeyECEdwards], mechanism(command.MechEdDSA), command.UseSign, true},
		"ML-DSA":                       {k.private[command.KeyMLDSA], mechanism(command.MechMLDSA), command.UseSign, true},
		"HMAC":                         {k.generic, mechanism(command.MechSHA1HMAC), command.UseSign, true},
		"HMAC, 104 bits":               {short, mechanism(command.MechSHA256HMAC), command.UseSign, false},
		"HMAC check, 104 bits":         {short, mechanism(command.MechSHA256HMAC), command.UseVerify, true},
		"AES-CBC":                      {k.aes, mechanism(command.MechAESCBC), command.UseEncrypt, true},
		"AES-CBC as key wrap":          {k.aes, mechanism(command.MechAESCBC), command.UseWrap, false},
		"AES key wrap":                 {k.aes, mechanism(command.MechAESKeyWrap), command.UseWrap, true},
		"3DES encryption":              {k.private[command.KeyDES3], mechanism(command.MechDES3CBC), command.UseEncrypt, false},
		"3DES decryption":              {k.private[command.KeyDES3], mechanism(command.MechDES3CBC), command.UseDecrypt, true},
		"unknown":                      {k.aes, mechanism(0x7777), command.UseEncrypt, false},
	} {
		if got := Approved(c.key, c.m, c.use); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
