// Package dialogue is the firmware's side of the trusted path: what the device
// says on its screen, in which order, and what it makes of the answers and of the
// iKeys that people plug in. It implements hsm.TrustedPath.
//
//	desk := dialogue.New(dialogue.Config{Panel: panel, Reader: reader, Clock: clock, Entropy: rand.Reader})
//	go desk.Run(ctx)
//	secret, err := desk.Present(ctx, hsm.Subject{Secret: hsm.SecretRole, Role: command.RoleSO})
//
// A dialogue is a table of states: each shows a screen and waits for a person, or
// does some work, and the event that comes of it names the next state. All
// screens are in one table too. docs/trusted-path.md is generated from both.
//
// The one goroutine of Run owns the screen and the port. Dialogues that the HSM
// asks for run there one by one, and in between it shows the home screen and its
// menus. So there is no lock to hold while a person thinks.
package dialogue
