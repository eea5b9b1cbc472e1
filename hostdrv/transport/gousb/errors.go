//go:build cgo

package gousb

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	libusb "github.com/google/gousb"

	"usbhsm7/hostdrv/transport"
)

// outcome is what an error of libusb means to the driver.
type outcome struct {
	err  error
	hint string
}

var outcomes = map[libusb.Error]outcome{
	libusb.ErrorAccess:   {transport.ErrPermission, "; install scripts/udev/70-usbhsm7.rules in /etc/udev/rules.d and plug the device in again"},
	libusb.ErrorBusy:     {transport.ErrBusy, "; close the other program"},
	libusb.ErrorNoDevice: {transport.ErrDisconnected, ""},
	libusb.ErrorNotFound: {transport.ErrDisconnected, ""},
}

// explain translates an error of gousb. doing says what was tried.
func explain(doing string, err error) error {
	if errors.Is(err, libusb.TransferNoDevice) {
		return fmt.Errorf("%s: %w", doing, transport.ErrDisconnected)
	}
	if code, ok := codeOf(err); ok {
		if o, ok := outcomes[code]; ok {
			return fmt.Errorf("%s: %w%s (%v)", doing, o.err, o.hint, err)
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// leaving reports whether err comes of a device that went away while it was
// looked at.
func leaving(err error) bool {
	return errors.Is(explain("", err), transport.ErrDisconnected)
}

var codeInText = regexp.MustCompile(`\[code (-\d+)\]`)

// codeOf returns the libusb code in err. Where gousb wraps an error without
// %w, as it does when it claims an interface, the code is in the text alone.
func codeOf(err error) (libusb.Error, bool) {
	var code libusb.Error
	if errors.As(err, &code) {
		return code, true
	}
	match := codeInText.FindStringSubmatch(err.Error())
	if match == nil {
		return 0, false
	}
	number, convErr := strconv.Atoi(match[1])
	return libusb.Error(number), convErr == nil
}
