package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"time"
)

// Clock is what the device's clock shows.
type Clock struct {
	Time   time.Time `json:"time"`
	Frozen bool      `json:"frozen"`
}

// ClockChange says what to do with the clock, in this order.
type ClockChange struct {
	Frozen  *bool      `json:"frozen,omitempty"`  // stop it, or let it go on
	Time    *time.Time `json:"time,omitempty"`    // set it
	Advance Duration   `json:"advance,omitempty"` // set it forward, or back
}

// Duration is a time.Duration that JSON writes as "1h30m".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Digest identifies the state of the flash.
type Digest struct {
	SHA256 string `json:"sha256"` // of the content of the chip, hexadecimal
}

// Clock returns what the device's clock shows.
func (c *Client) Clock(ctx context.Context) (k Clock, err error) {
	return k, c.Call(ctx, "GET", "/clock", nil, &k)
}

// ChangeClock sets, stops or starts the device's clock.
func (c *Client) ChangeClock(ctx context.Context, change ClockChange) (k Clock, err error) {
	body, err := json.Marshal(change)
	if err != nil {
		return k, err
	}
	return k, c.Call(ctx, "PATCH", "/clock", body, &k)
}

// Tamper is what a sensor of the device finds.
type Tamper struct {
	Cause string `json:"cause"` // such as "over-temperature"
}

// Tamper has a sensor of the device find something. A device that is off notices
// when it is switched on.
func (c *Client) Tamper(ctx context.Context, cause string) (s Status, err error) {
	body, err := json.Marshal(Tamper{cause})
	if err != nil {
		return s, err
	}
	return s, c.Call(ctx, "POST", "/tamper", body, &s)
}

// Snapshot writes the flash to w, as the file flash.bin of a state directory:
// what would be there if power failed now.
func (c *Client) Snapshot(ctx context.Context, w io.Writer) error {
	image, err := c.Stream(ctx, "GET", "/snapshot", nil)
	if err != nil {
		return err
	}
	defer image.Close()
	if _, err := io.Copy(w, image); err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	return nil
}

// Restore has the device go on with a snapshot.
func (c *Client) Restore(ctx context.Context, image []byte) (s Status, err error) {
	return s, c.Call(ctx, "PUT", "/snapshot", image, &s)
}

// Digest returns the digest of the flash.
func (c *Client) Digest(ctx context.Context) (d Digest, err error) {
	return d, c.Call(ctx, "GET", "/digest", nil, &d)
}

// Fork has the simulator export another device under a bus ID, with the state of
// this moment. The two go on by themselves; the fork is kept in memory.
func (c *Client) Fork(ctx context.Context, busID string) (s Status, err error) {
	return s, c.Call(ctx, "POST", "/forks/"+url.PathEscape(busID), nil, &s)
}

// EndFork ends a fork.
func (c *Client) EndFork(ctx context.Context, busID string) error {
	return c.Call(ctx, "DELETE", "/forks/"+url.PathEscape(busID), nil, nil)
}
