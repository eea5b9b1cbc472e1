package mech

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
)

// mldsaSetOf finds the parameter set in the name of a file.
func mldsaSetOf(file string) uint64 {
	return map[string]uint64{"44": command.MLDSA44, "65": command.MLDSA65, "87": command.MLDSA87}[strings.Split(file, "_")[1]]
}

func proveMLDSA(t *testing.T, file string, g *group, p proof) error {
	var value hexBytes
	if err := json.Unmarshal(g.PublicKey, &value); err != nil {
		t.Fatal(err)
	}
	k, err := ParsePublic(command.KeyMLDSA, Public{ParameterSet: mldsaSetOf(file), Value: value})
	if err != nil {
		return err
	}
	return Verify(k, &command.Mechanism{Type: command.MechMLDSA, Info: p.Ctx}, p.Msg, p.Sig)
}

// proveMLDSASigning signs as a device with a seed does.
func proveMLDSASigning(t *testing.T, file string, g *group, p proof) error {
	if p.Msg == nil {
		return errAside // a message hashed by the host
	}
	k, err := ParsePrivate(command.KeyMLDSA, Public{ParameterSet: mldsaSetOf(file)}, g.PrivateSeed)
	if err != nil {
		return err
	}
	if slices.Contains(p.Flags, "Randomized") {
		return proveMLDSA(t, file, g, p)
	}
	return equals(p.Sig)(Sign(k, &command.Mechanism{Type: command.MechMLDSA, Info: p.Ctx}, p.Msg, Entropy{Seeded: true}))
}

func mlkemSetOf(g *group) (uint64, error) {
	set, ok := map[string]uint64{"ML-KEM-768": command.MLKEM768, "ML-KEM-1024": command.MLKEM1024}[g.ParameterSet]
	if !ok {
		return 0, errAside
	}
	return set, nil
}

func proveMLKEMGeneration(_ *testing.T, _ string, g *group, p proof) error {
	set, err := mlkemSetOf(g)
	if err != nil {
		return err
	}
	pair, err := PairOf(command.KeyMLKEM, Public{ParameterSet: set}, p.Seed)
	if err != nil {
		return err
	}
	return equals(p.Ek)(pair.Value, nil)
}

func proveEncapsulation(_ *testing.T, _ string, g *group, p proof) error {
	set, err := mlkemSetOf(g)
	if err != nil {
		return err
	}
	k, err := ParsePublic(command.KeyMLKEM, Public{ParameterSet: set, Value: p.Ek})
	if err != nil {
		return err
	}
	ciphertext, secret, err := Encapsulate(k, mechanism(command.MechMLKEM), Entropy{strings.NewReader(string(p.M)), true})
	if err := equals(p.C)(ciphertext, err); err != nil {
		return err
	}
	return equals(p.K)(secret, nil)
}

func proveMLKEM(_ *testing.T, file string, g *group, p proof) error {
	set, err := mlkemSetOf(g)
	if err != nil || strings.Contains(file, "semi_expanded") {
		return errAside // the device keeps seeds
	}
	pair, err := PairOf(command.KeyMLKEM, Public{ParameterSet: set}, p.Seed)
	if err != nil {
		return err
	}
	if err := equals(p.Ek)(pair.Value, nil); p.Ek != nil && err != nil {
		return err
	}
	return equals(p.K)(Decapsulate(pair.Key, mechanism(command.MechMLKEM), p.C))
}
