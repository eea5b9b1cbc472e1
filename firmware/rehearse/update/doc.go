// Package update rehearses the installation of an update file on a device, in every
// way that it can go wrong, and reports.
//
//	r, err := update.Run(ctx, update.Options{Subject: subject, Trust: trust, Depth: update.Quick, Seed: 1})
//	files, err := r.Write("rehearsal")
//
// Each phase is a package of its own, which has its rules and tests its own tester:
// firmware/boot/sweep cuts the power of the bootloader, firmware/rehearse/starts that of
// the first start in the new firmware, firmware/rehearse/mutants spoils the file,
// firmware/rehearse/transfers disturbs the upload over USB, and
// firmware/rehearse/policies goes through the conditions. Everything works on clones of
// the device's flash; what is given is not changed.
//
// A failure has a token, one line such as "cuts/update: cut=p1/prog@0x4100#37:bits:17",
// which [Replay] plays again.
package update
