// Package fm runs functional modules: code that the owner of the HSM loads into it,
// as WebAssembly, to do there with keys what no command does.
//
//	e := fm.New(fm.Standard())
//	defer e.Close()
//	functions, err := e.Check(code)                            // before it is stored
//	output, err := e.Call(ctx, code, "seal", input, host)      // as often as wanted
//
// A module gets an input and gives an output. What it may ask of the device is one
// small interface, [Imports], which its caller's [Host] answers with the rights of the
// session that calls. It has no files, network or clock, begins afresh with each
// call, and is stopped when it has used up its memory, its stack, its output, its
// calls of the device or its time; its memory is wiped then.
//
// Modules are interpreted, never compiled: the same on every processor, and no code
// from outside is ever machine code in this process. Whether a call is interrupted
// by its time depends on the machine, everything else on module, input and host
// alone. During a call one goroutine watches its context.
//
// docs/functional-modules.md tells how to write, sign, load and call one.
package fm
