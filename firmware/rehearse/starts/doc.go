// Package starts cuts the power while a device starts in an update that was installed:
// while the bootloader tries the firmware and confirms it, and while the HSM makes the
// device's own data fit for it.
//
//	prepared, err := subject.Prepare()
//	result, err := starts.Run(ctx, starts.Options{Subject: subject, Prepared: prepared, Seed: 1})
//
// The start is played once, on a chip that is cloned before each of its operations. Of
// each clone comes what a cut could have left: a crash state. The device is started on
// each, is cut again while it recovers, and in the end has to obey each [Rule]: nothing
// that its HSM holds is lost. Nobody needs a password for that: the HSM tells digests of
// its records, see hsm.HSM.Holdings.
package starts
