package hostdrv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
)

// maxEvents is how many events wait in the driver; more wait in the device.
const maxEvents = 16

// farewellTimeout bounds how long close waits for the device to take its leave.
const farewellTimeout = time.Second

// conn is the protocol on one link, from HELLO to the end of the link. Three
// goroutines belong to it: one writes requests, one reads responses, one reads
// events. close waits for them.
type conn struct {
	link         transport.Link
	capabilities command.HelloResponse
	traffic      *traffic
	events       chan command.Event

	stop    context.CancelFunc // ends the goroutines
	running sync.WaitGroup
	closing sync.Once
	closed  error // what close returned
}

// connect says HELLO on link and starts the goroutines. It closes link if it
// fails.
func connect(ctx context.Context, link transport.Link, options Options) (*conn, error) {
	capabilities, err := hello(ctx, link, options)
	if err != nil {
		return nil, errors.Join(err, link.Close())
	}
	runCtx, stop := context.WithCancel(context.Background())
	c := &conn{
		link:         link,
		capabilities: capabilities,
		traffic:      newTraffic(int(capabilities.MaxInFlight)),
		events:       make(chan command.Event, maxEvents),
		stop:         stop,
	}
	w := &writer{link: link, traffic: c.traffic, limit: longestTransfer(capabilities.MaxTransfer)}
	c.running.Go(func() { c.fail(w.run(runCtx)) })
	c.running.Go(func() { c.fail(c.readResponses(runCtx)) })
	c.running.Go(func() { c.fail(c.readEvents(runCtx)) })
	return c, nil
}

// call runs one command: marshal, send, wait, unmarshal. A nil req is the
// empty payload; with a nil resp the response must be empty.
func (c *conn) call(ctx context.Context, code command.Code, session uint32, req, resp any) error {
	r, err := c.start(ctx, code, session, req)
	if err != nil {
		return err
	}
	return c.await(ctx, code, r, resp)
}

// start sends one command. The request returned must be given to await.
func (c *conn) start(ctx context.Context, code command.Code, session uint32, req any) (*request, error) {
	payload, err := command.MarshalIn(req, c.traffic.buffers.Get)
	if err != nil {
		return nil, fmt.Errorf("%s: encode the request: %w", code, err)
	}
	if limit := int(c.capabilities.MaxMessage); len(payload) > limit {
		c.traffic.buffers.Put(payload)
		return nil, command.StatusDataLenRange.With(
			fmt.Sprintf("%s: a request of %d bytes, the device takes %d", code, len(payload), limit),
			"send the data in smaller parts")
	}
	r, err := c.traffic.send(ctx, frame.Message{
		Type: frame.TypeRequest, Session: session, Code: uint32(code), Payload: payload,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", code, err)
	}
	return r, nil
}

// await waits for the answer to a command.
func (c *conn) await(ctx context.Context, code command.Code, r *request, resp any) error {
	if err := c.traffic.wait(ctx, r); err != nil {
		return fmt.Errorf("%s: %w", code, err)
	}
	defer c.traffic.recycle(r)
	if r.status != command.StatusOK {
		return fmt.Errorf("%s: %w", code, refusal(r.status, r.response))
	}
	if err := r.decode(resp); err != nil {
		return fmt.Errorf("%s: %w: %v", code, ErrProtocol, err)
	}
	return nil
}

// refusal makes an error of a response whose status is not StatusOK.
func refusal(status command.Status, payload []byte) *command.Error {
	var e command.ErrorResponse
	if err := command.Unmarshal(payload, &e); err != nil {
		return status.With("", "") // the status says enough
	}
	return status.With(e.Cause, e.Hint)
}

// nextEvent waits for the next event.
func (c *conn) nextEvent(ctx context.Context) (command.Event, error) {
	select {
	case e := <-c.events:
		return e, nil
	case <-ctx.Done():
		return command.Event{}, ctx.Err()
	case <-c.traffic.ended:
		return command.Event{}, c.traffic.failure()
	}
}

// fail ends the connection because of err; only the first counts.
func (c *conn) fail(err error) {
	c.traffic.fail(explain(err))
	c.stop()
}

// explain makes sure that the end of a link is recognised as one.
func explain(err error) error {
	switch {
	case errors.Is(err, transport.ErrClosed), errors.Is(err, ErrSessionLost):
		return err
	case errors.Is(err, ErrProtocol):
		return fmt.Errorf("%w; reconnect to it", err)
	case errors.Is(err, transport.ErrDisconnected):
		return fmt.Errorf("%w; check its cable, or that the simulator still runs, and reconnect", err)
	}
	return fmt.Errorf("%w: %w; reconnect to it", transport.ErrDisconnected, err)
}

// close ends the connection with why, waits for the goroutines, takes leave of
// a device that is still there and closes the link.
func (c *conn) close(why error) error {
	c.closing.Do(func() {
		alive := c.traffic.failure() == nil
		c.fail(why)
		c.running.Wait()
		if alive {
			farewell(c.link)
		}
		c.closed = c.link.Close()
	})
	return c.closed
}
