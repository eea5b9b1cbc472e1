package mech

import (
	"crypto/mlkem"

	"filippo.io/mldsa"

	"usbhsm7/firmware/command"
)

// parameterSets are the sets of ML-KEM and ML-DSA that the device has.
var parameterSets = map[uint64]map[uint64]uint{
	command.KeyMLKEM: {command.MLKEM768: 768, command.MLKEM1024: 1024},
	command.KeyMLDSA: {command.MLDSA44: 44, command.MLDSA65: 65, command.MLDSA87: 87},
}

func mldsaParameters(number uint) mldsa.Parameters {
	switch number {
	case 44:
		return mldsa.MLDSA44()
	case 65:
		return mldsa.MLDSA65()
	}
	return mldsa.MLDSA87()
}

// parseSeed parses the private key of a lattice scheme.
func parseSeed(keyType, set uint64, seed []byte) (*Key, error) {
	number, ok := parameterSets[keyType][set]
	if !ok {
		return nil, errBadKey
	}
	k := &Key{Type: keyType, Bits: number}
	var err error
	switch {
	case keyType == command.KeyMLDSA:
		k.private, err = mldsa.NewPrivateKey(mldsaParameters(number), seed)
	case number == 768:
		k.private, err = mlkem.NewDecapsulationKey768(seed)
	default:
		k.private, err = mlkem.NewDecapsulationKey1024(seed)
	}
	if err != nil {
		return nil, errBadKey
	}
	return k, nil
}

// parseEncapsulation parses the public key of a lattice scheme.
func parseEncapsulation(keyType, set uint64, encoded []byte) (*Key, error) {
	number, ok := parameterSets[keyType][set]
	if !ok {
		return nil, errBadKey
	}
	k := &Key{Type: keyType, Bits: number}
	var err error
	switch {
	case keyType == command.KeyMLDSA:
		k.public, err = mldsa.NewPublicKey(mldsaParameters(number), encoded)
	case number == 768:
		k.public, err = mlkem.NewEncapsulationKey768(encoded)
	default:
		k.public, err = mlkem.NewEncapsulationKey1024(encoded)
	}
	if err != nil {
		return nil, errBadKey
	}
	return k, nil
}
