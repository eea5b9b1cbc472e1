// Package sweep proves the bootloader by cutting its power wherever it can be cut,
// and again wherever it can be cut while it recovers.
//
//	report, err := sweep.Run(sweep.Options{Plan: sweep.Fast, Seed: 1})
//
// A scenario is something that people do with firmware: update it, give it up,
// never confirm it, go back. It is played once with the power on; before every
// operation on the flash the chip is cloned, and every clone taken to where a cut
// could have left it: untouched, or torn in several ways. These are the crash
// states. Each is powered on and judged by the [Rule] table, against what the host
// had been told by then; and each is then taken to the end of the scenario, where a
// second cut at every operation gives the next crash states, judged the same way.
//
// What happens after a power-on follows from the content of the flash alone. So a
// state that was proven need not be proven again: it is recognised by a digest of
// the whole chip. [Plan].Memoless does without that.
//
// [Subject] is somebody's own file and device, rehearsed with each other in the
// same way.
//
// A fault comes with a token, one line that [Replay] plays again:
//
//	update: cut=p1/prog@0x3a00#37:bits:17;cut2=p2/erase@0x1000#5:before
//
// Same seed and files, same report, however many processors there are. The files of
// the scenarios here are made anew each time, with other ciphertext
// (boottest.Sign): what a faulty bootloader makes of it may differ.
//
// [Defects] lists ways to get a bootloader wrong; a sweep that does not notice every
// one of them is worth nothing.
package sweep
