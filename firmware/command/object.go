package command

// Handle names an object. Token objects keep theirs until they are destroyed;
// 0 is never a handle.
type Handle uint32

// Object classes (PKCS#11 CKO_), the values of AttrClass.
const (
	ClassData        uint64 = 0
	ClassCertificate uint64 = 1
	ClassPublicKey   uint64 = 2
	ClassPrivateKey  uint64 = 3
	ClassSecretKey   uint64 = 4
)

// Key types (PKCS#11 CKK_), the values of AttrKeyType.
const (
	KeyRSA           uint64 = 0x00
	KeyEC            uint64 = 0x03
	KeyGenericSecret uint64 = 0x10
	KeyDES3          uint64 = 0x15
	KeyAES           uint64 = 0x1F
	KeyECEdwards     uint64 = 0x40
	KeyECMontgomery  uint64 = 0x41
	KeyMLKEM         uint64 = 0x49
	KeyMLDSA         uint64 = 0x4A
)

// Parameter sets of ML-KEM and ML-DSA (PKCS#11 CKP_).
const (
	MLKEM768  uint64 = 2
	MLKEM1024 uint64 = 3
	MLDSA44   uint64 = 1
	MLDSA65   uint64 = 2
	MLDSA87   uint64 = 3
)

// CertificateX509 is the one certificate type (PKCS#11 CKC_X_509), the value of
// AttrCertificateType.
const CertificateX509 uint64 = 0

// NoMechanism is the key-gen-mechanism of a key that was not generated in the
// device (PKCS#11 CK_UNAVAILABLE_INFORMATION).
const NoMechanism = ^uint64(0)

// KeyStatus is what stands against the use of a key, as bits; the value of
// AttrKeyStatus (Thales, CK_KEY_STATUS).
type KeyStatus uint8

// The bits.
const (
	KeyAuthDataSet      KeyStatus = 0x01 // has authorization data; nothing against it by itself
	KeyLockedFailedAuth KeyStatus = 0x02 // too many wrong authorization data
	KeyLockedDate       KeyStatus = 0x04 // outside of its dates
	KeyLockedDES3       KeyStatus = 0x08 // as many 3DES blocks as are permitted; never set here
	KeyLockedUsage      KeyStatus = 0x10 // usage-limit is reached

	keyLocked = KeyLockedFailedAuth | KeyLockedDate | KeyLockedDES3 | KeyLockedUsage
)

// Locked reports whether the key cannot be used.
func (s KeyStatus) Locked() bool { return s&keyLocked != 0 }
