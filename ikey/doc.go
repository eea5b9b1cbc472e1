// Package ikey is the small USB token that a person carries instead of a
// password: what is on it, how a secret is shared among several of them, and the
// port of the device that they are plugged into.
package ikey
