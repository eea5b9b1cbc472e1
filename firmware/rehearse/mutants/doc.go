// Package mutants gives a device every file that an accident or an attacker can make
// of an update file without a key, and sees to it that none is taken and that none
// costs a write to the flash.
//
//	result, err := mutants.Run(ctx, mutants.Options{Subject: subject})
//
// A mutant whose head differs is offered to the bootloader as an upload that begins,
// one whose chunks differ to a bootloader that has begun with the genuine head: each
// differing chunk is sent. The verdict on the whole file, which the host comes to, is
// asked for besides. The bootloader stands on a chip that counts what is done to it.
package mutants
