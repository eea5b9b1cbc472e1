package command

import "fmt"

// MechanismType is a PKCS#11 CKM_ number.
type MechanismType uint32

// The mechanisms of the device (PKCS#11 3.1).
const (
	MechRSAKeyPairGen    MechanismType = 0x0000
	MechRSAPKCS          MechanismType = 0x0001 // signs a DigestInfo made by the host
	MechRSAPKCSPSS       MechanismType = 0x000D // signs a hash made by the host
	MechSHA256RSAPKCS    MechanismType = 0x0040
	MechSHA384RSAPKCS    MechanismType = 0x0041
	MechSHA512RSAPKCS    MechanismType = 0x0042
	MechSHA256RSAPKCSPSS MechanismType = 0x0043
	MechSHA384RSAPKCSPSS MechanismType = 0x0044
	MechSHA512RSAPKCSPSS MechanismType = 0x0045
	MechSHA256           MechanismType = 0x0250
	MechSHA256HMAC       MechanismType = 0x0251
	MechSHA224           MechanismType = 0x0255
	MechSHA384           MechanismType = 0x0260
	MechSHA384HMAC       MechanismType = 0x0261
	MechSHA512           MechanismType = 0x0270
	MechSHA512HMAC       MechanismType = 0x0271
	MechGenericSecretGen MechanismType = 0x0350
	MechECKeyPairGen     MechanismType = 0x1040
	MechECDSA            MechanismType = 0x1041 // signs a hash made by the host
	MechECDSASHA256      MechanismType = 0x1044
	MechECDSASHA384      MechanismType = 0x1045
	MechECDSASHA512      MechanismType = 0x1046
	MechAESKeyGen        MechanismType = 0x1080
	MechAESCBC           MechanismType = 0x1082
	MechAESCBCPad        MechanismType = 0x1085
	MechAESGCM           MechanismType = 0x1087
)

// Use is a set of operations that a mechanism serves.
type Use uint32

const (
	UseGenerate Use = 1 << iota
	UseSign
	UseVerify
	UseEncrypt
	UseDecrypt
	UseDigest
)

// MechanismRow describes one mechanism.
type MechanismRow struct {
	Type    MechanismType
	Name    string // the PKCS#11 name without CKM_
	KeyType uint64 // CKK_ of the key it works with; meaningless for digests
	MinBits uint   // key size; 0 for digests
	MaxBits uint
	Uses    Use
}

// MechanismTable lists every mechanism, ordered by type.
var MechanismTable = []MechanismRow{
	{MechRSAKeyPairGen, "RSA_PKCS_KEY_PAIR_GEN", KeyRSA, 2048, 4096, UseGenerate},
	{MechRSAPKCS, "RSA_PKCS", KeyRSA, 2048, 4096, UseSign | UseVerify},
	{MechRSAPKCSPSS, "RSA_PKCS_PSS", KeyRSA, 2048, 4096, UseSign | UseVerify},
	{MechSHA256RSAPKCS, "SHA256_RSA_PKCS", KeyRSA, 2048, 4096, UseSign | UseVerify},
	{MechSHA384RSAPKCS, "SHA384_RSA_PKCS", KeyRSA, 2048, 4096, UseSign | UseVerify},
	{MechSHA512RSAPKCS, "SHA512_RSA_PKCS", KeyRSA, 2048, 4096, UseSign | UseVerify},
	{MechSHA256RSAPKCSPSS, "SHA256_RSA_PKCS_PSS", KeyRSA, 2048, 4096, UseSign | UseVerify},
	{MechSHA384RSAPKCSPSS, "SHA384_RSA_PKCS_PSS", KeyRSA, 2048, 4096, UseSign | UseVerify},
	{MechSHA512RSAPKCSPSS, "SHA512_RSA_PKCS_PSS", KeyRSA, 2048, 4096, UseSign | UseVerify},
	{MechSHA256, "SHA256", 0, 0, 0, UseDigest},
	{MechSHA256HMAC, "SHA256_HMAC", KeyGenericSecret, 64, 4096, UseSign | UseVerify},
	{MechSHA224, "SHA224", 0, 0, 0, UseDigest},
	{MechSHA384, "SHA384", 0, 0, 0, UseDigest},
	{MechSHA384HMAC, "SHA384_HMAC", KeyGenericSecret, 64, 4096, UseSign | UseVerify},
	{MechSHA512, "SHA512", 0, 0, 0, UseDigest},
	{MechSHA512HMAC, "SHA512_HMAC", KeyGenericSecret, 64, 4096, UseSign | UseVerify},
	{MechGenericSecretGen, "GENERIC_SECRET_KEY_GEN", KeyGenericSecret, 64, 4096, UseGenerate},
	{MechECKeyPairGen, "EC_KEY_PAIR_GEN", KeyEC, 256, 384, UseGenerate},
	{MechECDSA, "ECDSA", KeyEC, 256, 384, UseSign | UseVerify},
	{MechECDSASHA256, "ECDSA_SHA256", KeyEC, 256, 384, UseSign | UseVerify},
	{MechECDSASHA384, "ECDSA_SHA384", KeyEC, 256, 384, UseSign | UseVerify},
	{MechECDSASHA512, "ECDSA_SHA512", KeyEC, 256, 384, UseSign | UseVerify},
	{MechAESKeyGen, "AES_KEY_GEN", KeyAES, 128, 256, UseGenerate},
	{MechAESCBC, "AES_CBC", KeyAES, 128, 256, UseEncrypt | UseDecrypt},
	{MechAESCBCPad, "AES_CBC_PAD", KeyAES, 128, 256, UseEncrypt | UseDecrypt},
	{MechAESGCM, "AES_GCM", KeyAES, 128, 256, UseEncrypt | UseDecrypt},
}

// LookupMechanism returns the row of t.
func LookupMechanism(t MechanismType) (MechanismRow, bool) {
	for _, row := range MechanismTable {
		if row.Type == t {
			return row, true
		}
	}
	return MechanismRow{}, false
}

// String returns the PKCS#11 name without its CKM_ prefix.
func (t MechanismType) String() string {
	if row, ok := LookupMechanism(t); ok {
		return row.Name
	}
	return fmt.Sprintf("mechanism %#x", uint32(t))
}

// Mechanism names a mechanism and gives its parameters. Parameters that the
// mechanism does not take must be absent: StatusMechanismParamInvalid.
type Mechanism struct {
	Type       MechanismType `cbor:"1,keyasint"`
	IV         []byte        `cbor:"2,keyasint,omitempty"` // AES: 16 bytes for CBC; 1 to 256 for GCM
	AAD        []byte        `cbor:"3,keyasint,omitempty"` // GCM
	TagBits    uint          `cbor:"4,keyasint,omitempty"` // GCM: 96, 104, 112, 120 or 128; 0 means 128
	Hash       MechanismType `cbor:"5,keyasint,omitempty"` // PSS on a hash made by the host: which hash; for SHA*_RSA_PKCS_PSS 0 or the same
	SaltLength *uint         `cbor:"6,keyasint,omitempty"` // PSS: bytes; absent means the length of the hash
}
