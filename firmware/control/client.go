package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// ErrUnreachable says that no simulator answers on the control socket.
var ErrUnreachable = errors.New("no simulator answers on the control socket")

// maxFailure bounds the text of an error that a simulator sends, in bytes.
const maxFailure = 64 << 10

// Client asks a simulator in another process.
type Client struct {
	http http.Client
	path string
}

// NewClient returns a client of the simulator whose control socket is at path. It
// connects only when it is used.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}}
}

// Status returns what the simulator simulates.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.Call(ctx, "GET", "/status", nil, &s)
}

// PowerOn switches the device on.
func (c *Client) PowerOn(ctx context.Context) (s Status, err error) {
	return s, c.Call(ctx, "POST", "/power/on", nil, &s)
}

// PowerOff switches the device off.
func (c *Client) PowerOff(ctx context.Context) (s Status, err error) {
	return s, c.Call(ctx, "POST", "/power/off", nil, &s)
}

// Call sends a request with body, which may be nil, and decodes the JSON of the
// answer into result, which may be nil. The error wraps ErrUnreachable, or holds
// what the simulator says.
func (c *Client) Call(ctx context.Context, method, path string, body []byte, result any) error {
	answer, err := c.Stream(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if result == nil {
		return nil
	}
	if err := json.NewDecoder(answer).Decode(result); err != nil {
		return fmt.Errorf("read the simulator's answer: %w", err)
	}
	return nil
}

// Stream is Call for an answer that is not JSON, or has no end: the caller reads
// and closes it. It ends with ctx.
func (c *Client) Stream(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://simulator"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w %s: %w", ErrUnreachable, c.path, errors.Unwrap(err))
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	var f failure
	if err := json.NewDecoder(io.LimitReader(response.Body, maxFailure)).Decode(&f); err != nil || f.Error == "" {
		return nil, fmt.Errorf("the simulator answered %s to %s", response.Status, path)
	}
	return nil, f.err()
}
