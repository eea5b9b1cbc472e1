package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/usb"
)

// options are the flags of the command.
type options struct {
	stateDir  string
	ephemeral bool
	seed      string
	listen    string
	insecure  bool
	attach    bool
	tls       socket.Identity
	control   string
	updates   updateKeys
	faults    string
	ikeys     string
	auto      string
	screen    string
	capture   string
	secrets   bool
	stm       bool
	busID     string
	ids       string
	speed     string
	serial    string
	readyFD   int
	logFormat string
	logLevel  string
}

// seedBytes returns the seed, nil for none.
func (o options) seedBytes() []byte {
	if o.seed == "" {
		return nil
	}
	return []byte(o.seed)
}

// usbID splits --usb-id.
func (o options) usbID() (vendor, product uint16, err error) {
	v, p, ok := strings.Cut(o.ids, ":")
	vendor64, errV := strconv.ParseUint(v, 16, 16)
	product64, errP := strconv.ParseUint(p, 16, 16)
	if !ok || errV != nil || errP != nil {
		return 0, 0, fmt.Errorf("--usb-id %q is not like 1209:0001", o.ids)
	}
	return uint16(vendor64), uint16(product64), nil
}

// usbSpeed reads --speed.
func (o options) usbSpeed() (usb.Speed, error) {
	for _, speed := range []usb.Speed{usb.SpeedFull, usb.SpeedHigh, usb.SpeedSuper} {
		if o.speed == speed.String() {
			return speed, nil
		}
	}
	return 0, fmt.Errorf("--speed %q is not full, high or super", o.speed)
}

// serialNumber is what a device can bear: it goes into a USB string and is
// typed by people.
var serialNumber = regexp.MustCompile(`^[0-9A-Za-z]{1,16}$`)

func (o options) checkSerial() error {
	if o.serial != "" && !serialNumber.MatchString(o.serial) {
		return fmt.Errorf("--serial %q is not 1 to 16 letters or digits", o.serial)
	}
	return nil
}

// checkListen refuses to be reachable from other machines without TLS, because
// whoever reaches a USB/IP port can use the device.
func (o options) checkListen() error {
	if o.listen == "" && o.attach {
		return nil
	}
	if err := socket.Check(o.listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if o.insecure || o.tls.Given() || socket.Local(o.listen) {
		return nil
	}
	return errors.New("--listen " + o.listen + " is reachable from other machines and plain USB/IP has no authentication; " +
		"add --tls-cert, --tls-key and --tls-ca (hsm7 tls new makes them), or --insecure if you mean it")
}

// checkCapture refuses a flag that would mean nothing.
func (o options) checkCapture() error {
	if o.secrets && o.capture == "" {
		return errors.New("--capture-with-secrets is about the file of --capture, which is missing")
	}
	return nil
}

// logger returns the logger that writes to w.
func (o options) logger(w io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(o.logLevel)
	if err != nil || o.logLevel == "" {
		return zerolog.Nop(), fmt.Errorf("--log-level %q is not debug, info, warn or error", o.logLevel)
	}
	switch o.logFormat {
	case "none":
		return zerolog.Nop(), nil
	case "json":
	case "console", "text":
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}
	default:
		return zerolog.Nop(), fmt.Errorf("--log-format %q is not console, json or none", o.logFormat)
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
