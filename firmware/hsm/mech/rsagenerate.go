package mech

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"

	"usbhsm7/firmware/command"
)

// RSAExponent is the public exponent of every RSA key that the device makes.
const RSAExponent = 65537

// Bounds of the RSA keys that the device makes, in bits.
const (
	minGenerated = 2048
	maxGenerated = 8192
	stepRSA      = 64
)

// GenerateRSA makes an RSA key pair with a modulus of 2048 to 8192 bits, a
// multiple of 64.
func GenerateRSA(bits uint64, entropy Entropy) (*Pair, error) {
	if bits < minGenerated || bits > maxGenerated || bits%stepRSA != 0 {
		return nil, keySize(fmt.Sprintf("RSA keys of %d bits are not supported", bits),
			fmt.Sprintf("use %d to %d, a multiple of %d", minGenerated, maxGenerated, stepRSA))
	}
	private, err := newRSA(int(bits), entropy)
	if err != nil {
		return nil, failed(err, "the key pair could not be made")
	}
	return rsaPair(private), nil
}

func rsaPair(private *rsa.PrivateKey) *Pair {
	return &Pair{
		Key:     rsaPrivateKey(private),
		Private: x509.MarshalPKCS1PrivateKey(private),
		Public:  Public{Modulus: private.N.Bytes(), Exponent: big.NewInt(int64(private.E)).Bytes()},
	}
}

func newRSA(bits int, entropy Entropy) (*rsa.PrivateKey, error) {
	if !entropy.Seeded {
		private, err := rsa.GenerateKey(entropy.Reader, bits)
		if err != nil {
			return nil, rngFailed(err)
		}
		return private, nil
	}
	for {
		p, err := prime(bits/2, entropy)
		if err != nil {
			return nil, err
		}
		q, err := prime(bits/2, entropy)
		if err != nil {
			return nil, err
		}
		if distance := new(big.Int).Sub(p, q); distance.BitLen() <= bits/2-100 {
			continue // FIPS 186-5, appendix A.1.3, step 5.4
		}
		return rsaOf(p, q, RSAExponent)
	}
}

// prime returns a probable prime of bits with p-1 prime to the exponent, the
// first that entropy holds (FIPS 186-5, appendix A.1.3, steps 4 and 5). Its two
// highest bits are set, so that the product of two has all its bits.
func prime(bits int, entropy Entropy) (*big.Int, error) {
	e := big.NewInt(RSAExponent)
	one := big.NewInt(1)
	for {
		candidate, err := Random(bits/8, entropy.Reader)
		if err != nil {
			return nil, err
		}
		candidate[0] |= 0xC0
		candidate[len(candidate)-1] |= 1
		p := new(big.Int).SetBytes(candidate)
		below := new(big.Int).Sub(p, one)
		if new(big.Int).GCD(nil, nil, below, e).Cmp(one) == 0 && p.ProbablyPrime(20) {
			return p, nil
		}
	}
}

// rsaOf returns the private key of two primes and an exponent, or an error with
// StatusAttributeValueInvalid.
func rsaOf(p, q *big.Int, exponent int) (*rsa.PrivateKey, error) {
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	order := new(big.Int).Mul(p1, q1)
	if common := new(big.Int).GCD(nil, nil, p1, q1); common.Sign() > 0 {
		order.Div(order, common) // the least common multiple: FIPS 186-5, appendix A.1.1
	}
	d := new(big.Int).ModInverse(big.NewInt(int64(exponent)), order)
	if d == nil {
		return nil, command.StatusAttributeValueInvalid.With("the numbers make no RSA key", "")
	}
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: exponent},
		D:         d, Primes: []*big.Int{p, q},
	}
	private.Precompute()
	if err := private.Validate(); err != nil {
		return nil, command.StatusAttributeValueInvalid.With("the numbers make no RSA key", "")
	}
	return private, nil
}
