package vhci

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"usbhsm7/usbip/usb"
)

// Hub names the root hub that a port belongs to.
type Hub string

// A controller has one hub for devices up to high speed and one for SuperSpeed.
const (
	HighSpeedHub  Hub = "hs"
	SuperSpeedHub Hub = "ss"
)

// hubFor returns the hub that takes devices of speed s.
func hubFor(s usb.Speed) Hub {
	if s >= usb.SpeedSuper {
		return SuperSpeedHub
	}
	return HighSpeedHub
}

// Status is the state of a port: enum usbip_device_status of the kernel's
// uapi/linux/usbip.h.
type Status uint8

// States of a port.
const (
	StatusFree        Status = 4 // VDEV_ST_NULL
	StatusNotAssigned Status = 5 // attached, not enumerated yet: VDEV_ST_NOTASSIGNED
	StatusUsed        Status = 6 // attached and addressed: VDEV_ST_USED
	StatusError       Status = 7 // VDEV_ST_ERROR
)

// String returns what the state is called here.
func (s Status) String() string {
	switch s {
	case StatusFree:
		return "free"
	case StatusNotAssigned:
		return "attached, not enumerated"
	case StatusUsed:
		return "in use"
	case StatusError:
		return "error"
	default:
		return "status " + strconv.Itoa(int(s))
	}
}

// Port is one port of the kernel's virtual host controllers.
type Port struct {
	Number int       `json:"port"`   // counted over all controllers, from 0
	Hub    Hub       `json:"hub"`    // what speeds it takes
	Status Status    `json:"status"` // whether it is in use
	Speed  usb.Speed `json:"speed"`  // of the device; 0 while free
	DevID  uint32    `json:"devid"`  // the remote device: bus number << 16 | device number
	Local  string    `json:"local"`  // the local device, "1-1" as under /sys/bus/usb/devices; empty until it is enumerated

	// Address ("host:port") and BusID are where the device comes from. Both
	// are empty for a free port, and where nobody noted it.
	Address string `json:"address"`
	BusID   string `json:"bus_id"`
}

// String returns "port 0: 1-1 from 192.0.2.1:3240 bus ID 1-1, high speed, in use".
func (p Port) String() string {
	if p.Status == StatusFree {
		return fmt.Sprintf("port %d: free", p.Number)
	}
	remote := "unknown host"
	if p.Address != "" {
		remote = p.Address + " bus ID " + p.BusID
	}
	return fmt.Sprintf("port %d: %s from %s, %s speed, %s", p.Number, or(p.Local, "-"), remote, p.Speed, p.Status)
}

// Limits of the numbers in a status line.
const (
	maxLine   = 256
	maxNumber = 1 << 16
)

var errStatus = errors.New("unexpected content in the status file of vhci_hcd")

// parseStatus reads a status file: a heading and then one line a port,
// status_show_vhci in drivers/usb/usbip/vhci_sysfs.c:
//
//	hub port sta spd dev      sockfd local_busid
//	hs  0000 004 000 00000000 000000 0-0
func parseStatus(r io.Reader) ([]Port, error) {
	var ports []Port
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, maxLine), maxLine)
	for first := true; lines.Scan(); first = false {
		if first {
			if !strings.HasPrefix(lines.Text(), "hub port sta spd dev") {
				return nil, fmt.Errorf("%w: heading %q (Linux 4.13 and newer are supported)", errStatus, lines.Text())
			}
			continue
		}
		port, err := parsePort(lines.Text())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", errStatus, err)
	}
	return ports, nil
}

func parsePort(line string) (Port, error) {
	const columns = 7
	f := strings.Fields(line)
	if len(f) != columns {
		return Port{}, fmt.Errorf("%w: %d columns in %q, want %d", errStatus, len(f), line, columns)
	}
	number, err1 := strconv.ParseUint(f[1], 10, 32)
	status, err2 := strconv.ParseUint(f[2], 10, 8)
	speed, err3 := strconv.ParseUint(f[3], 10, 8)
	devID, err4 := strconv.ParseUint(f[4], 16, 32)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return Port{}, fmt.Errorf("%w: %q: %w", errStatus, line, err)
	}
	hub := Hub(f[0])
	if hub != HighSpeedHub && hub != SuperSpeedHub || number >= maxNumber {
		return Port{}, fmt.Errorf("%w: %q", errStatus, line)
	}
	p := Port{Number: int(number), Hub: hub, Status: Status(status), Speed: usb.Speed(speed), DevID: uint32(devID)}
	if f[6] != "0-0" {
		p.Local = f[6]
	}
	return p, nil
}
