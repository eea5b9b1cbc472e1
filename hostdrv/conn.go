package hostdrv

import (
	"context"
	"errors"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv/transport"
)

type conn struct {
	link         transport.Link
	capabilities command.HelloResponse
}

func connect(context.Context, transport.Link, Options) (*conn, error) {
	return nil, errors.ErrUnsupported
}
func (c *conn) call(context.Context, command.Code, uint32, any, any) error {
	return errors.ErrUnsupported
}
func (c *conn) nextEvent(context.Context) (command.Event, error) {
	return command.Event{}, errors.ErrUnsupported
}
func (c *conn) close(error) error { return nil }
