package hostdrv

import (
	"context"

	"usbhsm7/firmware/command"
)

// caller is what sends commands: a Device or a Session.
type caller interface {
	// route returns the connection to use and the session field of the frames.
	route() (*conn, uint32, error)
}

// ask runs the command code with request req, nil for an empty payload, and
// decodes the response.
func ask[Response any](ctx context.Context, from caller, code command.Code, req any) (Response, error) {
	var resp Response
	c, session, err := from.route()
	if err != nil {
		return resp, err
	}
	err = c.call(ctx, code, session, req, &resp)
	return resp, err
}

// tell is ask for a command whose response has no payload.
func tell(ctx context.Context, from caller, code command.Code, req any) error {
	c, session, err := from.route()
	if err != nil {
		return err
	}
	return c.call(ctx, code, session, req, nil)
}
