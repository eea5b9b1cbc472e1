package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/record"
	"usbhsm7/usbip/capture"
)

// header is what captures of this program say of themselves.
func (u *unit) header(secrets bool, snap int) capture.Header {
	return capture.Header{Application: "usbhsm7 " + version, Interface: "usbhsm7", Redacted: !secrets, Snap: snap}
}

// startCapture starts a capture into sink.
func (u *unit) startCapture(sink capture.Sink, secrets bool) *capture.Capture {
	if secrets {
		u.log.Warn().Msg("this capture holds passwords, data and keys as they are: treat it like them")
		return u.tap.Start(sink, capture.Options{})
	}
	return u.tap.Start(sink, capture.Options{Redact: record.NewRedactor().Redact})
}

// captureFile begins the capture that --capture asks for. stop ends it.
func (u *unit) captureFile() (stop func() error, err error) {
	if u.options.capture == "" {
		return func() error { return nil }, nil
	}
	sink, err := capture.NewFiles(capture.FileOptions{
		Path: u.options.capture, Header: u.header(u.options.secrets, 0),
	})
	if err != nil {
		return nil, fmt.Errorf("%w: --capture: %w", errUsage, err)
	}
	c := u.startCapture(sink, u.options.secrets)
	return func() error {
		s, err := c.Stop()
		u.log.Info().Uint64("packets", s.Packets).Uint64("dropped", s.Dropped).Str("file", u.options.capture).Msg("capture ended")
		return err
	}, nil
}

// lastWords is how long a client that has stopped reading holds up the end of
// its capture.
const lastWords = time.Second

// streamCapture answers GET /capture with a pcapng stream that ends with the
// client, or with the simulator. Parameters: secrets (true or false) and snap
// (bytes of a packet with its header).
func (u *unit) streamCapture(w http.ResponseWriter, r *http.Request) error {
	secrets, snap, err := captureQuery(r.URL.Query())
	if err != nil {
		return err
	}
	response := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-pcapng")
	sink, err := capture.NewWriter(flusher{w, response}, u.header(secrets, snap))
	if err != nil {
		return nil // the client has left already, and cannot be told
	}
	c := u.startCapture(sink, secrets)
	_ = response.Flush() // the head; if that fails, so do the packets
	stop := context.AfterFunc(r.Context(), func() { _ = response.SetWriteDeadline(time.Now().Add(lastWords)) })
	defer stop()
	select {
	case <-r.Context().Done():
	case <-c.Failed():
	}
	s, err := c.Stop()
	u.log.Info().Uint64("packets", s.Packets).Uint64("dropped", s.Dropped).AnErr("cause", err).Msg("live capture ended")
	return nil
}

// captureQuery reads the parameters of GET /capture.
func captureQuery(q url.Values) (secrets bool, snap int, err error) {
	if text := q.Get("secrets"); text != "" {
		if secrets, err = strconv.ParseBool(text); err != nil {
			return false, 0, fmt.Errorf("%w: secrets=%q is not true or false", control.ErrRequest, text)
		}
	}
	if text := q.Get("snap"); text != "" {
		if snap, err = strconv.Atoi(text); err != nil || snap < 0 {
			return false, 0, fmt.Errorf("%w: snap=%q is not a number of bytes", control.ErrRequest, text)
		}
	}
	return secrets, snap, nil
}

// flusher sends each batch of packets at once.
type flusher struct {
	http.ResponseWriter
	response *http.ResponseController
}

func (f flusher) Flush() error {
	if err := f.response.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
