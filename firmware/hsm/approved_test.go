package hsm_test

import (
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

func (u *unit) usesNow() map[command.MechanismType]command.MechanismInfo {
	u.t.Helper()
	var r command.MechanismsResponse
	u.ok(command.CodeMechanisms, 0, nil, &r)
	m := map[command.MechanismType]command.MechanismInfo{}
	for _, info := range r.Mechanisms {
		m[info.Type] = info
	}
	return m
}

// request returns a request that uses a mechanism, with a key that there is not.
func request(use command.Use, m command.MechanismType) (command.Code, any) {
	mechanism := command.Mechanism{Type: m}
	switch use {
	case command.UseGenerate:
		if row, _ := command.LookupMechanism(m); len(row.Keys) > 0 && row.Keys[0] >= command.KeyGenericSecret && row.Keys[0] <= command.KeyAES {
			return command.CodeGenerateKey, &command.GenerateKeyRequest{Mechanism: mechanism, Template: command.Template{command.AttrLabel: "x"}}
		}
		return command.CodeGenerateKeyPair, &command.GenerateKeyPairRequest{Mechanism: mechanism, Public: command.Template{command.AttrLabel: "x"}, Private: command.Template{}}
	case command.UseSign:
		return command.CodeSign, &command.SignRequest{Mechanism: mechanism, Key: 9999, Data: []byte{}}
	case command.UseVerify:
		return command.CodeVerify, &command.VerifyRequest{Mechanism: mechanism, Key: 9999, Data: []byte{}, Signature: []byte{}}
	case command.UseEncrypt:
		return command.CodeEncrypt, &command.CipherRequest{Mechanism: mechanism, Key: 9999, Data: []byte{}}
	case command.UseDecrypt:
		return command.CodeDecrypt, &command.CipherRequest{Mechanism: mechanism, Key: 9999, Data: []byte{}}
	case command.UseDigest:
		return command.CodeDigest, &command.DigestRequest{Mechanism: mechanism, Data: []byte{}}
	case command.UseWrap:
		return command.CodeWrapKey, &command.WrapKeyRequest{Mechanism: mechanism, WrappingKey: 9999, Key: 9999}
	case command.UseUnwrap:
		return command.CodeUnwrapKey, &command.UnwrapKeyRequest{Mechanism: mechanism, UnwrappingKey: 9999, Wrapped: []byte{}, Template: anAES}
	case command.UseDerive:
		return command.CodeDeriveKey, &command.DeriveKeyRequest{Mechanism: mechanism, BaseKey: 9999, Template: command.Template{}}
	case command.UseEncapsulate:
		return command.CodeEncapsulateKey, &command.EncapsulateKeyRequest{Mechanism: mechanism, PublicKey: 9999, Template: command.Template{}}
	}
	return command.CodeDecapsulateKey, &command.DecapsulateKeyRequest{Mechanism: mechanism, PrivateKey: 9999, Ciphertext: []byte{}, Template: command.Template{}}
}

// TestEveryMechanismInBothConfigurations asks for each use of each mechanism, and
// wants MECHANISM_INVALID where the mechanisms command does not list it, and
// nowhere else.
func TestEveryMechanismInBothConfigurations(t *testing.T) {
	for name, enter := range map[string]func(*testing.T) *unit{
		"any": func(t *testing.T) *unit { return ready(t) },
		"approved, by the partition": func(t *testing.T) *unit {
			u := ready(t)
			u.partitionPolicy(policy.PartitionNonFIPS, 0, false)
			return u
		},
		"approved, by the HSM":         approvedByHSM,
		"raw RSA and PKCS #1 v1.5 off": withoutOldRSA,
	} {
		t.Run(name, func(t *testing.T) {
			u := enter(t)
			now := u.usesNow()
			for _, row := range command.MechanismTable {
				for use := command.Use(1); use <= command.UseDecapsulate; use <<= 1 {
					code, in := request(use, row.Type)
					payload, err := command.Marshal(in)
					if err != nil {
						t.Fatal(err)
					}
					status, answer := u.host.Execute(t.Context(), code, u.user, payload)
					if listed := now[row.Type].Uses&use != 0; listed == (status == command.StatusMechanismInvalid) {
						t.Errorf("%v for %v: %v, listed: %v%s", row.Type, use.Names(), status, listed, reason(answer))
					}
				}
			}
		})
	}
}

func withoutOldRSA(t *testing.T) *unit {
	u := ready(t)
	u.partitionPolicy(policy.RawRSA, 0, false)
	u.partitionPolicy(policy.RSAPKCS, 0, false)
	now := u.usesNow()
	if _, there := now[command.MechRSAX509]; there || now[command.MechRSAPKCS].Uses != command.UseSign|command.UseVerify {
		t.Errorf("RSA_PKCS for %v", now[command.MechRSAPKCS].Uses.Names())
	}
	return u
}

// approvedByHSM makes the FIPS configuration the HSM's, which takes the partition.
func approvedByHSM(t *testing.T) *unit {
	u := powerOn(t, stage(t).initialised.Clone()).logIn(command.RoleSO)
	u.hsmPolicy(policy.NonFIPSAlgorithms, 0, true)
	u.createPartition().initPartition()
	u.appoint(command.RoleCO, coPassword)
	return u.logIn(command.RoleCO)
}

// TestWhatTheFIPSConfigurationRefuses has a key, a size and a parameter of each
// kind that the row of a mechanism does not tell apart.
func TestWhatTheFIPSConfigurationRefuses(t *testing.T) {
	u := ready(t)
	koblitz := u.ec("koblitz", []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A})
	pair, aes := u.ec("ec", p256), u.aes("aes")
	wrapper := u.secret(command.MechAESKeyGen, token("wrapper", command.AttrValueLen, uint64(32), command.AttrWrap, true))
	travels := u.secret(command.MechAESKeyGen, token("travels", command.AttrValueLen, uint64(32), command.AttrExtractable, true))
	short := u.secret(command.MechGenericSecretGen, token("short", command.AttrValueLen, uint64(8)))
	hash, gcm := make([]byte, 32), command.Mechanism{Type: command.MechAESGCM}
	own := command.Mechanism{Type: command.MechAESGCM, IV: make([]byte, 12)}
	ecdsa, hmac := command.Mechanism{Type: command.MechECDSA}, command.Mechanism{Type: command.MechSHA256HMAC}
	try := func(want command.Status, code command.Code, in any, out any) {
		t.Helper()
		u.do(want, code, u.user, in, out)
	}
	old := u.sign(hmac, short, hash)
	u.partitionPolicy(policy.PartitionNonFIPS, 0, false)

	try(command.StatusMechanismInvalid, command.CodeSign, &command.SignRequest{Mechanism: ecdsa, Key: koblitz.Private, Data: hash}, nil)
	signature := u.sign(ecdsa, pair.Private, hash)
	try(command.StatusKeySizeRange, command.CodeSign, &command.SignRequest{Mechanism: hmac, Key: short, Data: hash}, nil)
	try(command.StatusOK, command.CodeVerify, &command.VerifyRequest{Mechanism: hmac, Key: short, Data: hash, Signature: old}, nil)
	try(command.StatusMechanismParamInvalid, command.CodeEncrypt, &command.CipherRequest{Mechanism: own, Key: aes, Data: hash}, nil)
	try(command.StatusOK, command.CodeEncrypt, &command.CipherRequest{Mechanism: gcm, Key: aes, Data: hash}, new(command.CipherResponse))
	try(command.StatusMechanismParamInvalid, command.CodeWrapKey, &command.WrapKeyRequest{Mechanism: own, WrappingKey: wrapper, Key: travels}, nil)
	try(command.StatusOK, command.CodeWrapKey, &command.WrapKeyRequest{Mechanism: gcm, WrappingKey: wrapper, Key: travels}, new(command.WrapKeyResponse))
	try(command.StatusKeySizeRange, command.CodeGenerateKey, &command.GenerateKeyRequest{
		Mechanism: command.Mechanism{Type: command.MechGenericSecretGen}, Template: command.Template{command.AttrValueLen: uint64(13)},
	}, nil)
	try(command.StatusMechanismInvalid, command.CodeGenerateKeyPair, &command.GenerateKeyPairRequest{
		Mechanism: command.Mechanism{Type: command.MechECKeyPairGen},
		Public:    command.Template{command.AttrECParams: []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A}}, Private: command.Template{},
	}, nil)

	verify := &command.VerifyRequest{Mechanism: ecdsa, Key: pair.Public, Data: hash, Signature: signature}
	try(command.StatusMechanismInvalid, command.CodeVerify, verify, nil)
	u.partitionPolicy(policy.PrehashSigVer, 1, false)
	try(command.StatusOK, command.CodeVerify, verify, nil)
}
