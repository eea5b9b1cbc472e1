//go:build !cgo

package gousb

import (
	"context"
	"errors"
	"fmt"

	"usbhsm7/hostdrv/transport"
)

// Bus cannot be made in a program that was built without cgo.
type Bus struct{}

var errNoCgo = fmt.Errorf("this program was built without libusb (CGO_ENABLED=0): build it with cgo and libusb-1.0-0-dev, or use the built-in USB/IP client: %w", errors.ErrUnsupported)

// New returns an error that wraps errors.ErrUnsupported.
func New() (*Bus, error) { return nil, errNoCgo }

// List returns the error of New.
func (*Bus) List(context.Context) ([]transport.Info, error) { return nil, errNoCgo }

// Open returns the error of New.
func (*Bus) Open(context.Context, transport.Selector) (transport.Link, error) { return nil, errNoCgo }

// Close does nothing.
func (*Bus) Close() error { return nil }
