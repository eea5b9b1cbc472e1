package mech

import (
	"fmt"

	"usbhsm7/firmware/command"
)

// params is a set of the parameters that a mechanism takes.
type params uint16

const (
	paramIV params = 1 << iota
	paramAAD
	paramTagBits
	paramHash
	paramSaltLength
	paramMGF
	paramLabel
	paramCounterBits
	paramPublicData
	paramInfo
	paramSalt
	paramIterations
	paramPassword
	paramSteps
)

// NoParameters refuses a mechanism that carries parameters.
func NoParameters(m *command.Mechanism) error { return onlyParams(m, 0) }

// onlyParams refuses a mechanism that carries other parameters than allowed.
func onlyParams(m *command.Mechanism, allowed params) error {
	given := when(m.IV != nil, paramIV) | when(m.AAD != nil, paramAAD) | when(m.TagBits != 0, paramTagBits) |
		when(m.Hash != 0, paramHash) | when(m.SaltLength != nil, paramSaltLength) | when(m.MGF != 0, paramMGF) |
		when(m.Label != nil, paramLabel) | when(m.CounterBits != 0, paramCounterBits) |
		when(m.PublicData != nil, paramPublicData) | when(m.Info != nil, paramInfo) | when(m.Salt != nil, paramSalt) |
		when(m.Iterations != 0, paramIterations) | when(m.Password != nil, paramPassword) | when(m.Extract || m.Expand, paramSteps)
	if given&^allowed != 0 {
		return badParam(fmt.Sprintf("%s does not take one of the parameters given", m.Type), "")
	}
	return nil
}

func when(present bool, p params) params {
	if present {
		return p
	}
	return 0
}
