package mech

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"

	"usbhsm7/firmware/command"
)

// RSAExponent is the public exponent of every RSA key.
const RSAExponent = 65537

// Pair is a new key pair with what its two objects store.
type Pair struct {
	Key     *Key   // the private key
	Private []byte // stored form, see ParsePrivate; secret

	Modulus  []byte // RSA, big-endian
	ECParams []byte // EC, DER object identifier
	ECPoint  []byte // EC, DER octet string of the uncompressed point
}

// GenerateRSA makes an RSA key pair of 2048, 3072 or 4096 bits.
func GenerateRSA(bits uint64, entropy io.Reader) (*Pair, error) {
	if bits != 2048 && bits != 3072 && bits != 4096 {
		return nil, command.StatusKeySizeRange.With(
			fmt.Sprintf("RSA keys of %d bits are not supported", bits), "use 2048, 3072 or 4096")
	}
	private, err := rsa.GenerateKey(entropy, int(bits))
	if err != nil {
		return nil, rngFailed(err)
	}
	return &Pair{
		Key:     rsaPrivateKey(private),
		Private: x509.MarshalPKCS1PrivateKey(private),
		Modulus: private.N.Bytes(),
	}, nil
}

// GenerateEC makes a key pair on the curve that ecParams names.
func GenerateEC(ecParams []byte, entropy io.Reader) (*Pair, error) {
	curve, err := CurveOf(ecParams)
	if err != nil {
		return nil, err
	}
	private, err := ecdsa.GenerateKey(curve.params, entropy)
	if err != nil {
		return nil, rngFailed(err)
	}
	scalar, err := private.Bytes()
	if err != nil {
		return nil, rngFailed(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, rngFailed(err)
	}
	return &Pair{Key: ecPrivateKey(private), Private: scalar, ECParams: curve.OID, ECPoint: derPoint(point)}, nil
}

// GenerateSecret makes a secret of length bytes: an AES key of 16, 24 or 32,
// or a generic secret of 8 to 512.
func GenerateSecret(keyType, length uint64, entropy io.Reader) ([]byte, error) {
	if !secretLength(keyType, length) {
		return nil, command.StatusKeySizeRange.With(
			fmt.Sprintf("value-len %d is not supported", length), "AES keys have 16, 24 or 32 bytes, generic secrets 8 to 512")
	}
	return Random(int(length), entropy)
}

func secretLength(keyType, length uint64) bool {
	if keyType == command.KeyAES {
		return length == 16 || length == 24 || length == 32
	}
	return length >= 8 && length <= 512
}

// Random returns n bytes of entropy.
func Random(n int, entropy io.Reader) ([]byte, error) {
	p := make([]byte, n)
	if _, err := io.ReadFull(entropy, p); err != nil {
		return nil, rngFailed(err)
	}
	return p, nil
}

func rngFailed(error) error {
	return command.StatusRNGError.With("the random number generator failed", "restart the device")
}
