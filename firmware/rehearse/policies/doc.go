// Package policies asks a bootloader about every combination of what an update can
// be and what a device can be, and compares each answer with an independent table.
//
//	result, err := policies.Run(policies.Options{})
//
// The axes (axes.go) say what there is to combine. The oracle (oracle.txt) is data: it
// knows names of values and reasons, and nothing of the program that is asked. Of each
// combination the first line of it that fits is the answer that must come, and a
// refusal must leave the flash as it is.
package policies
