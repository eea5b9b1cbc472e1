//go:build !cgo

package gousb

import (
	"context"
	"errors"
	"fmt"

	"usbhsm7/hostdrv/transport"
)

// Bus finds no devices in a program that was built without cgo.
type Bus struct{}

var _ transport.Bus = (*Bus)(nil)

var errNoCgo = fmt.Errorf("this program was built without libusb (CGO_ENABLED=0): build it with cgo and libusb-1.0-0-dev, or use the built-in USB/IP client: %w", errors.ErrUnsupported)

// New returns a bus whose methods all fail.
func New() *Bus { return &Bus{} }

// List returns an error that wraps errors.ErrUnsupported.
func (*Bus) List(context.Context) ([]transport.Info, error) { return nil, errNoCgo }

// Open returns an error that wraps errors.ErrUnsupported.
func (*Bus) Open(context.Context, transport.Selector) (transport.Link, error) { return nil, errNoCgo }
