// Package person is somebody who attends to the device by a script: looks at the
// screen, touches it, plugs iKeys in and pulls them out. It makes runs without
// people possible, and repeatable.
//
// A script says what to do when a screen is shown:
//
//	# both keysets have one iKey
//	key so-1 blue
//	key domain-1 red
//	when create/reuse: no
//	when create/m: number 1
//	when create/n: number 1
//	when write/insert "HSM Security Officer": insert so-1
//	when write/insert "Domain": insert domain-1
//	once write/pin: type 1234
//	when write/pin: ok
//
// docs/trusted-path.md has the grammar and the names of all screens. A person
// does nothing at the home screen or while the device works unless a rule says
// so, and gives up, with ErrUnexpected, at any other screen that no rule is for.
package person
