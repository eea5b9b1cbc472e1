// Package policies asks about every combination of what an update can be, what a device
// can be and who is at it, and compares each answer with an independent table.
//
//	result, err := policies.Run(policies.Options{})
//
// There are three products of axes. "bootloader" (bootloader.go) asks the bootloader by
// itself about every release in every state. "offers" and "orders" (procedure.go) ask
// the assembled HSM, with a bootloader behind it, about files that come to it and about
// the other commands of the procedure: whatever its slots hold, is on its way or was
// permitted once, and whoever is logged in.
//
// The oracles (bootloader.txt, procedure.txt) are data: they know names of values and
// answers, and nothing of the program that is asked. Of each combination the first line
// that fits is the answer that must come, and a refusal must leave the flash as it is.
package policies
