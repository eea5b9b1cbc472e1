// Package rehearse cuts the power of a device wherever it can be cut, and judges
// what is found at the next power-on.
//
//	report, err := rehearse.Run(rehearse.Options{Rig: rehearse.Assembled(), Plan: rehearse.Full, Seed: 1})
//
// A [Scene] is a command in a situation; [Scenes] has at least one for each row
// of the command table, and those that write nothing say why. A scene is
// played once, on a chip that is cloned before each of its operations. Every
// clone is then taken to where a cut could have left it: untouched, torn in
// several ways, or just done. These are the crash states. Each is powered on,
// and looked at through the front door alone:
//
//   - The device starts. One that does not is a brick.
//   - It has the old state or the new one, never a mixture. Once the host has
//     its answer, it has the new one.
//   - Attempts at passwords that were begun stay counted, and are counted before
//     the password is looked at; handles of objects are not given twice.
//   - The audit log is whole, as the device itself verifies, and has the record
//     of a change if and only if it has the change.
//   - The root key is in no page any more once the device has forgotten its keys.
//
// The full plan cuts a second time while the device recovers. [Defects] lists
// ways to get this wrong, each planted by a decorator of the device's storage:
// a rehearsal that does not notice every one of them is worth nothing.
//
// # A new command
//
// Give it a scene in scenes.go, or several if it works in different ways; the
// tests name rows that have none. Before tells how to bring the situation about,
// on top of a [Stage] of the device's life. If what the command changes is not to
// be seen in an [Observation] yet, let observe.go look for it.
package rehearse
