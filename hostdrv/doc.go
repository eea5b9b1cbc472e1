// Package hostdrv is the driver of the usbhsm7 hardware security module: it
// opens a device over any transport and offers its commands as Go methods.
//
// # Opening
//
// Dial finds a device on a bus and opens it. The bus decides how the device is
// reached: hostdrv/transport/gousb goes through the operating system's USB
// stack, hostdrv/transport/usbip through the built-in USB/IP client, and
// hostdrv/transport/local drives a device in the same process.
//
//	bus := usbip.New("127.0.0.1:3240")
//	dev, err := hostdrv.Dial(ctx, bus, transport.Selector{Serial: "7000001"}, hostdrv.Options{})
//	if err != nil { ... }
//	defer dev.Close()
//
//	s, err := dev.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
//	if err != nil { ... }
//	err = s.Login(ctx, command.RoleCO, password)
//
// # Calls
//
// A Device and its Sessions may be used by any number of goroutines. Requests
// travel side by side, up to the number that the device takes, and finish in
// any order: a caller that needs an order waits for one call before it makes
// the next. When a call's context ends, the call returns at once with the
// context's error and the device is told to cancel the command, which may
// nevertheless have taken effect.
//
// # Errors
//
// A refusal by the device is a *command.Error with a status, a cause and a
// hint; errors.Is(err, command.StatusPINIncorrect) asks for a status. When the
// device is gone every call returns an error that wraps
// transport.ErrDisconnected; Reconnect opens the same device again, after which
// sessions opened before return ErrSessionLost. ErrProtocol means that the
// device did not keep to docs/protocol.md.
//
// # Secrets
//
// Passwords are byte slices that remain the caller's, to be wiped by the
// caller. The driver's own copies are wiped as soon as they have been sent.
package hostdrv
