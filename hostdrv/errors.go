package hostdrv

import (
	"errors"
	"fmt"

	"usbhsm7/hostdrv/transport"
)

var (
	// ErrNoAnswer means that the device did not answer HELLO.
	ErrNoAnswer = errors.New("device does not answer")

	// ErrSessionLost is returned by the methods of a Session whose link was
	// replaced by Reconnect: open a new session and log in again.
	ErrSessionLost = errors.New("session was lost when the device was reconnected")

	// ErrProtocol means that the device broke the protocol, so that responses
	// may be missing: the link is given up and Reconnect starts afresh.
	ErrProtocol = errors.New("device broke the protocol")
)

// errForgotten ends a link whose device has been reset behind the driver's back.
var errForgotten = errors.New("it was reset and has forgotten this host")

// errReconnecting ends the calls of a link that Reconnect gives up.
var errReconnecting = fmt.Errorf("%w by Reconnect: %w", transport.ErrDisconnected, ErrSessionLost)
