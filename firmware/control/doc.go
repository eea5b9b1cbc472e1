// Package control is the door through which a person, or a test, reaches the
// simulator itself rather than the device that it simulates: its power switch,
// and what stands between the device and its USB connector. A real unit has
// hands and a bench for that; nothing here is reachable over USB.
//
// It is HTTP over a Unix socket that only its owner may open, with JSON in both
// directions, so that any tool can use it:
//
//	curl --unix-socket ./hsm/control.sock http://simulator/status
//
// In the process of the simulator:
//
//	server := control.NewServer(unit)
//	err := server.Serve(ctx, listener)
//
// In another one:
//
//	client := control.NewClient("./hsm/control.sock")
//	err := client.PowerOff(ctx)
package control
