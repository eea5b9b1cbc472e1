package mech

import (
	"crypto/rsa"
	"fmt"

	"filippo.io/bigmod"
)

// signRaw is RSASP1 (RFC 8017, section 5.2.1) of data that is padded with
// zeros on the left (PKCS#11 3.1, section 6.1.10).
func signRaw(k *Key, t task, _ Entropy) ([]byte, error) {
	private, err := privateAs[*rsa.PrivateKey](k, t.m.Type)
	if err != nil {
		return nil, err
	}
	return rawPrivate(private, t.input)
}

func verifyRaw(k *Key, t task, sig []byte) error {
	public, err := publicAs[*rsa.PublicKey](k, t.m.Type)
	if err != nil {
		return err
	}
	if len(sig) != public.Size() {
		return signatureLength(public.Size())
	}
	want, err := padLeft(t.input, public.Size())
	if err != nil {
		return err
	}
	got, err := rawPublic(public, sig)
	return verdict(err == nil && string(got) == string(want))
}

// padLeft puts zeros before data.
func padLeft(data []byte, size int) ([]byte, error) {
	if len(data) > size {
		return nil, badLength(fmt.Sprintf("at most %d bytes fit this key", size), "")
	}
	padded := make([]byte, size)
	copy(padded[size-len(data):], data)
	return padded, nil
}

// rawPublic returns data^e mod n, as long as the modulus. Data is at most as
// long and below the modulus: StatusDataLenRange.
func rawPublic(public *rsa.PublicKey, data []byte) ([]byte, error) {
	n, err := bigmod.NewModulus(public.N.Bytes())
	if err != nil {
		return nil, errBadKey
	}
	x, err := residue(data, n)
	if err != nil {
		return nil, err
	}
	return bigmod.NewNat().ExpShortVarTime(x, uint(public.E), n).Bytes(n), nil
}

// rawPrivate returns data^d mod n in constant time, and checks the result, so
// that a fault betrays no prime.
func rawPrivate(private *rsa.PrivateKey, data []byte) ([]byte, error) {
	n, err := bigmod.NewModulus(private.N.Bytes())
	if err != nil {
		return nil, errBadKey
	}
	x, err := residue(data, n)
	if err != nil {
		return nil, err
	}
	y, err := powerCRT(private, x, n)
	if err != nil {
		return nil, err
	}
	if bigmod.NewNat().ExpShortVarTime(y, uint(private.E), n).Equal(x) != 1 {
		return nil, failed(nil, "the computation failed")
	}
	return y.Bytes(n), nil
}

// powerCRT uses the Chinese remainder theorem: step 2b of RSADP (RFC 8017, section 5.1.2).
func powerCRT(private *rsa.PrivateKey, x *bigmod.Nat, n *bigmod.Modulus) (*bigmod.Nat, error) {
	p, err := bigmod.NewModulus(private.Primes[0].Bytes())
	if err != nil {
		return nil, errBadKey
	}
	q, err := bigmod.NewModulus(private.Primes[1].Bytes())
	if err != nil {
		return nil, errBadKey
	}
	inverse, err := bigmod.NewNat().SetBytes(private.Precomputed.Qinv.Bytes(), p)
	if err != nil {
		return nil, errBadKey
	}
	m1 := bigmod.NewNat().Exp(bigmod.NewNat().Mod(x, p), private.Precomputed.Dp.Bytes(), p)
	m2 := bigmod.NewNat().Exp(bigmod.NewNat().Mod(x, q), private.Precomputed.Dq.Bytes(), q)
	h := m1.Sub(bigmod.NewNat().Mod(m2, p), p).Mul(inverse, p)
	// y = m2 + h*q, below n.
	wide, err := bigmod.NewNat().SetBytes(private.Primes[1].Bytes(), n)
	if err != nil {
		return nil, errBadKey
	}
	return h.ExpandFor(n).Mul(wide, n).Add(m2.ExpandFor(n), n), nil
}

// residue reads a number below n that is at most as long.
func residue(data []byte, n *bigmod.Modulus) (*bigmod.Nat, error) {
	padded, err := padLeft(data, n.Size())
	if err != nil {
		return nil, err
	}
	x, err := bigmod.NewNat().SetBytes(padded, n)
	if err != nil {
		return nil, badLength("the number is not below the modulus", "")
	}
	return x, nil
}
