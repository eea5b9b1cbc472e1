// Package fm runs functional modules: code that an owner of the HSM loads into it,
// as WebAssembly, to do there with keys what no command does.
//
// A module gets an input and gives an output. What it may ask of the device is one
// small interface, and it uses keys with the rights of the session that calls it. It
// has no files, network, clock or goroutines, starts afresh with each call, and is
// stopped when it has used up its memory, its output, its calls of the device or its
// time. docs/functional-modules.md tells how to write one.
package fm
