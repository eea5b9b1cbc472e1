package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/flash"
)

// handleState adds the requests about time and state:
//
//	GET    /clock      the control.Clock
//	PATCH  /clock      a control.ClockChange; then the control.Clock
//	GET    /snapshot   the flash as a file, as it would be if power failed now
//	PUT    /snapshot   such a file, to go on with; then the control.Status
//	GET    /digest     the control.Digest of the flash
func (u *unit) handleState(s *control.Server) {
	s.Handle("GET /clock", func(w http.ResponseWriter, _ *http.Request) error {
		return control.Reply(w, u.showClock())
	})
	s.Handle("PATCH /clock", u.changeClock)
	s.Handle("GET /snapshot", func(w http.ResponseWriter, _ *http.Request) error {
		image, err := u.snapshot()
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, err = image.WriteTo(w)
		return err
	})
	s.Handle("PUT /snapshot", u.restore)
	s.Handle("GET /digest", func(w http.ResponseWriter, _ *http.Request) error {
		image, err := u.snapshot()
		if err != nil {
			return err
		}
		digest, err := digestOf(image)
		if err != nil {
			return err
		}
		return control.Reply(w, control.Digest{SHA256: digest})
	})
}

func (u *unit) showClock() control.Clock {
	return control.Clock{Time: u.clock.Now(), Frozen: u.clock.Frozen()}
}

func (u *unit) changeClock(w http.ResponseWriter, r *http.Request) error {
	var change control.ClockChange
	if err := readRequest(w, r, &change); err != nil {
		return err
	}
	if change.Frozen != nil {
		u.clock.Freeze(*change.Frozen)
	}
	if change.Time != nil {
		u.clock.Set(*change.Time)
	}
	u.clock.Advance(time.Duration(change.Advance))
	return control.Reply(w, u.showClock())
}

// snapshot returns what would be on the flash if power failed now, or what is
// there while the device is off.
func (u *unit) snapshot() (*flash.Memory, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.device != nil {
		return u.flash.Snapshot(), nil
	}
	content, err := u.chip.open()
	if err != nil {
		return nil, fmt.Errorf("open the flash: %w", err)
	}
	return content.Clone(), content.Close()
}

// restore has the device go on with another flash. It is switched off for that,
// and on again if it was on.
func (u *unit) restore(w http.ResponseWriter, r *http.Request) error {
	geometry := flash.DefaultGeometry()
	image, err := flash.ReadImage(http.MaxBytesReader(w, r.Body, 2*geometry.Size()), geometry)
	if err != nil {
		return fmt.Errorf("%w: %w", control.ErrRequest, err)
	}
	if err := u.exchange(image); err != nil {
		return err
	}
	return control.Reply(w, u.Status())
}

func (u *unit) exchange(image *flash.Memory) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	on := u.device != nil
	if err := u.powerOff(); err != nil {
		return err
	}
	if err := u.chip.replace(image); err != nil || !on {
		return err
	}
	return u.powerOn()
}

// digestOf returns the SHA-256 of the content of a chip, hexadecimal.
func digestOf(image *flash.Memory) (string, error) {
	content := make([]byte, image.Geometry().Size())
	if err := image.Read(0, content); err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}
