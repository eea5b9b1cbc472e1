package main

import (
	"fmt"
	"io"
	"net/http"
	"os"

	"usbhsm7/firmware/control"
	"usbhsm7/usbip/fault"
)

// loadFaults puts the fault script in the file at path in force; an empty path is
// no script.
func (u *unit) loadFaults(path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: --fault: %w", errUsage, err)
	}
	if err := u.playFaults(string(text)); err != nil {
		return fmt.Errorf("%w: --fault %s: %w", errUsage, path, err)
	}
	return nil
}

func (u *unit) playFaults(text string) error {
	script, err := fault.Parse(text)
	if err != nil {
		return err
	}
	return u.faults.Load(script)
}

// handleFaults adds the requests about faults:
//
//	GET    /faults   the fault.Report of the script in force
//	PUT    /faults   a script as text, to be put in force; then its fault.Report
//	DELETE /faults   ends it; then an empty fault.Report
func (u *unit) handleFaults(s *control.Server) {
	s.Handle("GET /faults", func(w http.ResponseWriter, _ *http.Request) error {
		return control.Reply(w, u.faults.Report())
	})
	s.Handle("PUT /faults", func(w http.ResponseWriter, r *http.Request) error {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, fault.MaxScript))
		if err == nil {
			err = u.playFaults(string(text))
		}
		if err != nil {
			return fmt.Errorf("%w: %w", control.ErrRequest, err)
		}
		return control.Reply(w, u.faults.Report())
	})
	s.Handle("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) error {
		u.faults.Clear()
		return control.Reply(w, u.faults.Report())
	})
}
