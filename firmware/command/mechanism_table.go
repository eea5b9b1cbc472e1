package command

// Key types that rows of the table share.
var (
	ofRSA        = []uint64{KeyRSA}
	ofEC         = []uint64{KeyEC}
	ofEdwards    = []uint64{KeyECEdwards}
	ofMontgomery = []uint64{KeyECMontgomery}
	ofAgreement  = []uint64{KeyEC, KeyECMontgomery}
	ofMLKEM      = []uint64{KeyMLKEM}
	ofMLDSA      = []uint64{KeyMLDSA}
	ofAES        = []uint64{KeyAES}
	ofDES3       = []uint64{KeyDES3}
	ofGeneric    = []uint64{KeyGenericSecret}
	ofSecrets    = []uint64{KeyGenericSecret, KeyAES, KeyDES3}
)

// Uses that rows of the table share.
const (
	signs     = UseSign | UseVerify
	enciphers = UseEncrypt | UseDecrypt
	wraps     = UseWrap | UseUnwrap
)

// Approvals under FIPS 140-3 that rows of the table share.
var (
	fips180  = Approval{Approved: true, Basis: "FIPS 180-4"}
	fips202  = Approval{Approved: true, Basis: "FIPS 202"}
	fips186  = Approval{Approved: true, Basis: "FIPS 186-5"}
	fips203  = Approval{Approved: true, Basis: "FIPS 203"}
	fips204  = Approval{Approved: true, Basis: "FIPS 204"}
	sp80038a = Approval{Approved: true, Basis: "SP 800-38A"}
	sp80038b = Approval{Approved: true, Basis: "SP 800-38B"}
	sp80038d = Approval{Approved: true, Basis: "SP 800-38D"}
	sp80038f = Approval{Approved: true, Basis: "SP 800-38F"}
	sp80056a = Approval{Approved: true, Basis: "SP 800-56A"}
	sp80056b = Approval{Approved: true, Basis: "SP 800-56B"}
	sp80056c = Approval{Approved: true, ApprovedBits: 112, Basis: "SP 800-56C, SP 800-131A"}
	sp800108 = Approval{Approved: true, ApprovedBits: 112, Basis: "SP 800-108, SP 800-131A"}
	sp800132 = Approval{Approved: true, ApprovedBits: 112, Basis: "SP 800-132"}
	sp800133 = Approval{Approved: true, ApprovedBits: 112, Basis: "SP 800-133, SP 800-131A"}
	fips198  = Approval{Approved: true, ApprovedBits: 112, Legacy: UseVerify, Basis: "FIPS 198-1; keys from 112 bits: SP 800-131A"}

	// The curve decides too: secp256k1 is not approved (SP 800-186).
	fips186Curves = Approval{Approved: true, Basis: "FIPS 186-5, SP 800-186"}

	// Wrapping by a mode without authentication has been disallowed.
	sp80038aWrap = Approval{Approved: true, Except: wraps, Basis: "SP 800-38A; not for wrapping: SP 800-131A"}

	// PKCS#1 v1.5 signs, but neither encrypts nor transports keys any more.
	pkcs1 = Approval{Approved: true, Except: enciphers | wraps, Basis: "FIPS 186-5; not for encryption: SP 800-131A"}

	textbook      = Approval{Basis: "no padding: SP 800-131A"}
	sha1Signature = Approval{Legacy: UseVerify, Basis: "SHA-1 makes no signatures: SP 800-131A"}
	tripleDES     = Approval{Legacy: UseDecrypt | UseUnwrap | UseVerify, Basis: "disallowed since 2024: SP 800-131A"}
	x25519        = Approval{Basis: "not in SP 800-186"}
)

// Where rows of the table come from.
const (
	p11   = "PKCS#11 3.1"
	p1132 = "PKCS#11 3.2"
	luna  = "the vendor's header"
)

// MechanismTable lists every mechanism, ordered by type. For ML-KEM and ML-DSA
// the bits are the number of the parameter set.
var MechanismTable = []MechanismRow{
	{MechRSAKeyPairGen, "RSA_PKCS_KEY_PAIR_GEN", ofRSA, 2048, 8192, UseGenerate, fips186, p11},
	{MechRSAPKCS, "RSA_PKCS", ofRSA, 2048, 8192, signs | enciphers | wraps, pkcs1, p11},
	{MechRSAX509, "RSA_X_509", ofRSA, 2048, 8192, signs | enciphers, textbook, p11},
	{MechSHA1RSAPKCS, "SHA1_RSA_PKCS", ofRSA, 2048, 8192, signs, sha1Signature, p11},
	{MechRSAPKCSOAEP, "RSA_PKCS_OAEP", ofRSA, 2048, 8192, enciphers | wraps, sp80056b, p11},
	{MechRSAX931KeyPairGen, "RSA_X9_31_KEY_PAIR_GEN", ofRSA, 2048, 8192, UseGenerate, fips186, p11},
	{MechRSAPKCSPSS, "RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA1RSAPKCSPSS, "SHA1_RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, sha1Signature, p11},
	{MechMLKEMKeyPairGen, "ML_KEM_KEY_PAIR_GEN", ofMLKEM, 768, 1024, UseGenerate, fips203, p1132},
	{MechMLKEM, "ML_KEM", ofMLKEM, 768, 1024, UseEncapsulate | UseDecapsulate, fips203, p1132},
	{MechMLDSAKeyPairGen, "ML_DSA_KEY_PAIR_GEN", ofMLDSA, 44, 87, UseGenerate, fips204, p1132},
	{MechMLDSA, "ML_DSA", ofMLDSA, 44, 87, signs, fips204, p1132},
	{MechSHA256RSAPKCS, "SHA256_RSA_PKCS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA384RSAPKCS, "SHA384_RSA_PKCS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA512RSAPKCS, "SHA512_RSA_PKCS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA256RSAPKCSPSS, "SHA256_RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA384RSAPKCSPSS, "SHA384_RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA512RSAPKCSPSS, "SHA512_RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA224RSAPKCS, "SHA224_RSA_PKCS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA224RSAPKCSPSS, "SHA224_RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA3256RSAPKCS, "SHA3_256_RSA_PKCS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA3384RSAPKCS, "SHA3_384_RSA_PKCS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA3512RSAPKCS, "SHA3_512_RSA_PKCS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA3256RSAPKCSPSS, "SHA3_256_RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA3384RSAPKCSPSS, "SHA3_384_RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA3512RSAPKCSPSS, "SHA3_512_RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA3224RSAPKCS, "SHA3_224_RSA_PKCS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechSHA3224RSAPKCSPSS, "SHA3_224_RSA_PKCS_PSS", ofRSA, 2048, 8192, signs, fips186, p11},
	{MechDES3KeyGen, "DES3_KEY_GEN", ofDES3, 192, 192, UseGenerate, tripleDES, p11},
	{MechDES3ECB, "DES3_ECB", ofDES3, 192, 192, enciphers | wraps, tripleDES, p11},
	{MechDES3CBC, "DES3_CBC", ofDES3, 192, 192, enciphers | wraps, tripleDES, p11},
	{MechDES3CBCPad, "DES3_CBC_PAD", ofDES3, 192, 192, enciphers | wraps, tripleDES, p11},
	{MechDES3CMAC, "DES3_CMAC", ofDES3, 192, 192, signs, tripleDES, p11},
	{MechSHA1, "SHA_1", nil, 0, 0, UseDigest, fips180, p11},
	{MechSHA1HMAC, "SHA_1_HMAC", ofGeneric, 8, 4096, signs, fips198, p11},
	{MechSHA256, "SHA256", nil, 0, 0, UseDigest, fips180, p11},
	{MechSHA256HMAC, "SHA256_HMAC", ofGeneric, 8, 4096, signs, fips198, p11},
	{MechSHA224, "SHA224", nil, 0, 0, UseDigest, fips180, p11},
	{MechSHA224HMAC, "SHA224_HMAC", ofGeneric, 8, 4096, signs, fips198, p11},
	{MechSHA384, "SHA384", nil, 0, 0, UseDigest, fips180, p11},
	{MechSHA384HMAC, "SHA384_HMAC", ofGeneric, 8, 4096, signs, fips198, p11},
	{MechSHA512, "SHA512", nil, 0, 0, UseDigest, fips180, p11},
	{MechSHA512HMAC, "SHA512_HMAC", ofGeneric, 8, 4096, signs, fips198, p11},
	{MechSHA3256, "SHA3_256", nil, 0, 0, UseDigest, fips202, p11},
	{MechSHA3256HMAC, "SHA3_256_HMAC", ofGeneric, 8, 4096, signs, fips198, p11},
	{MechSHA3224, "SHA3_224", nil, 0, 0, UseDigest, fips202, p11},
	{MechSHA3224HMAC, "SHA3_224_HMAC", ofGeneric, 8, 4096, signs, fips198, p11},
	{MechSHA3384, "SHA3_384", nil, 0, 0, UseDigest, fips202, p11},
	{MechSHA3384HMAC, "SHA3_384_HMAC", ofGeneric, 8, 4096, signs, fips198, p11},
	{MechSHA3512, "SHA3_512", nil, 0, 0, UseDigest, fips202, p11},
	{MechSHA3512HMAC, "SHA3_512_HMAC", ofGeneric, 8, 4096, signs, fips198, p11},
	{MechGenericSecretGen, "GENERIC_SECRET_KEY_GEN", ofGeneric, 64, 4096, UseGenerate, sp800133, p11},
	{MechSP800108Counter, "SP800_108_COUNTER_KDF", ofSecrets, 8, 4096, UseDerive, sp800108, p11},
	{MechPKCS5PBKD2, "PKCS5_PBKD2", ofSecrets, 8, 4096, UseGenerate, sp800132, p11},
	{MechECKeyPairGen, "EC_KEY_PAIR_GEN", ofEC, 224, 521, UseGenerate, fips186Curves, p11},
	{MechECDSA, "ECDSA", ofEC, 224, 521, signs, fips186Curves, p11},
	{MechECDSASHA1, "ECDSA_SHA1", ofEC, 224, 521, signs, sha1Signature, p11},
	{MechECDSASHA224, "ECDSA_SHA224", ofEC, 224, 521, signs, fips186Curves, p11},
	{MechECDSASHA256, "ECDSA_SHA256", ofEC, 224, 521, signs, fips186Curves, p11},
	{MechECDSASHA384, "ECDSA_SHA384", ofEC, 224, 521, signs, fips186Curves, p11},
	{MechECDSASHA512, "ECDSA_SHA512", ofEC, 224, 521, signs, fips186Curves, p11},
	{MechECDSASHA3224, "ECDSA_SHA3_224", ofEC, 224, 521, signs, fips186Curves, p11},
	{MechECDSASHA3256, "ECDSA_SHA3_256", ofEC, 224, 521, signs, fips186Curves, p11},
	{MechECDSASHA3384, "ECDSA_SHA3_384", ofEC, 224, 521, signs, fips186Curves, p11},
	{MechECDSASHA3512, "ECDSA_SHA3_512", ofEC, 224, 521, signs, fips186Curves, p11},
	{MechECDH1Derive, "ECDH1_DERIVE", ofAgreement, 224, 521, UseDerive, sp80056a, p11},
	{MechECDH1CofactorDerive, "ECDH1_COFACTOR_DERIVE", ofAgreement, 224, 521, UseDerive, sp80056a, p11},
	{MechEdwardsKeyPairGen, "EC_EDWARDS_KEY_PAIR_GEN", ofEdwards, 255, 255, UseGenerate, fips186, p11},
	{MechMontgomeryKeyPairGen, "EC_MONTGOMERY_KEY_PAIR_GEN", ofMontgomery, 255, 255, UseGenerate, x25519, p11},
	{MechEdDSA, "EDDSA", ofEdwards, 255, 255, signs, fips186, p11},
	{MechAESKeyGen, "AES_KEY_GEN", ofAES, 128, 256, UseGenerate, sp800133, p11},
	{MechAESECB, "AES_ECB", ofAES, 128, 256, enciphers | wraps, sp80038aWrap, p11},
	{MechAESCBC, "AES_CBC", ofAES, 128, 256, enciphers | wraps, sp80038aWrap, p11},
	{MechAESCBCPad, "AES_CBC_PAD", ofAES, 128, 256, enciphers | wraps, sp80038aWrap, p11},
	{MechAESCTR, "AES_CTR", ofAES, 128, 256, enciphers, sp80038a, p11},
	{MechAESGCM, "AES_GCM", ofAES, 128, 256, enciphers | wraps, sp80038d, p11},
	{MechAESCMAC, "AES_CMAC", ofAES, 128, 256, signs, sp80038b, p11},
	{MechAESGMAC, "AES_GMAC", ofAES, 128, 256, signs, sp80038d, p11},
	{MechAESKeyWrap, "AES_KEY_WRAP", ofAES, 128, 256, enciphers | wraps, sp80038f, p11},
	{MechAESKeyWrapKWP, "AES_KEY_WRAP_KWP", ofAES, 128, 256, enciphers | wraps, sp80038f, p11},
	{MechHKDFDerive, "HKDF_DERIVE", ofSecrets, 8, 4096, UseDerive, sp80056c, p11},
	{MechLunaAESGMAC, "LUNA_AES_GMAC", ofAES, 128, 256, signs, sp80038d, luna},
	{MechLunaRSAFIPSAuxPrime, "RSA_FIPS_186_3_AUX_PRIME_KEY_PAIR_GEN", ofRSA, 2048, 8192, UseGenerate, fips186, luna},
	{MechLunaRSAFIPSPrime, "RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN", ofRSA, 2048, 8192, UseGenerate, fips186, luna},
	{MechLunaAESKW, "AES_KW", ofAES, 128, 256, enciphers | wraps, sp80038f, luna},
	{MechLunaAESKWP, "AES_KWP", ofAES, 128, 256, enciphers | wraps, sp80038f, luna},
	{MechLunaNISTPRFKDF, "NIST_PRF_KDF", ofSecrets, 8, 4096, UseDerive, sp800108, luna},
	{MechLunaEdwardsKeyPairGen, "LUNA_EC_EDWARDS_KEY_PAIR_GEN", ofEdwards, 255, 255, UseGenerate, fips186, luna},
	{MechLunaEdDSA, "LUNA_EDDSA", ofEdwards, 255, 255, signs, fips186, luna},
	{MechLunaMontgomeryKeyPairGen, "LUNA_EC_MONTGOMERY_KEY_PAIR_GEN", ofMontgomery, 255, 255, UseGenerate, x25519, luna},
}
