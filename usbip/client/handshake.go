package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/usb"
)

// Errors of Import and List.
var (
	// ErrBusy says that another host uses the device.
	ErrBusy = usb.ErrBusy
	// ErrNoDevice says that the server does not export a device under this bus ID.
	ErrNoDevice = usb.ErrNoDevice
	// ErrRefused says that the server refused for another reason.
	ErrRefused = errors.New("refused by the USB/IP server")
)

// RemoteDevice is a device that a server offers for import.
type RemoteDevice struct {
	BusID string // to import it by
	usb.Identity
}

// List returns the devices that the server at addr ("host:port" or "unix:/path",
// see package socket) offers. Devices in use are not among them.
func List(ctx context.Context, addr string) ([]RemoteDevice, error) {
	conn, err := socket.Dial(ctx, addr, nil)
	if err != nil {
		return nil, err
	}
	return ListConn(ctx, conn)
}

// ListConn is List over a connection that is already there, which it closes.
func ListConn(ctx context.Context, conn net.Conn) ([]RemoteDevice, error) {
	defer conn.Close()
	var devices []proto.Device
	err := exchange(ctx, conn, proto.Op{Code: proto.OpRequestDevices}.Append(nil), func() error {
		err := readReply(conn, proto.OpReplyDevices)
		if err == nil {
			devices, err = proto.ReadDevices(conn)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the USB devices of %s: %w", socket.Name(conn.RemoteAddr()), err)
	}
	list := make([]RemoteDevice, len(devices))
	for i, d := range devices {
		list[i] = RemoteDevice{BusID: d.BusID, Identity: d.Identity}
	}
	return list, nil
}

// Import makes the caller the host of the device busID of the server at addr
// ("host:port" or "unix:/path"). ctx bounds the import only. Errors: ErrBusy, ErrNoDevice,
// ErrRefused, or those of the connection.
func Import(ctx context.Context, addr, busID string) (*Device, error) {
	conn, err := socket.Dial(ctx, addr, nil)
	if err != nil {
		return nil, err
	}
	return ImportConn(ctx, conn, busID)
}

// ImportConn is Import over a connection that is already there, which it closes
// if it fails.
func ImportConn(ctx context.Context, conn net.Conn, busID string) (*Device, error) {
	return Options{}.ImportConn(ctx, conn, busID)
}

// ImportConn is ImportConn with the limits of o.
func (o Options) ImportConn(ctx context.Context, conn net.Conn, busID string) (*Device, error) {
	remote, err := Handshake(ctx, conn, busID)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return newDevice(conn, remote, o), nil
}

// Handshake imports the device busID over conn and stops where the URBs begin:
// not a byte beyond the reply has been read, so that another may take the
// connection over, as package vhci hands it to the kernel. conn stays open.
// Errors are those of Import.
func Handshake(ctx context.Context, conn net.Conn, busID string) (proto.Device, error) {
	if busID == "" || len(busID) >= proto.BusIDSize {
		return proto.Device{}, fmt.Errorf("importing USB device %q: %w: a bus ID has 1 to %d bytes", busID, ErrNoDevice, proto.BusIDSize-1)
	}
	var remote proto.Device
	err := exchange(ctx, conn, proto.AppendImport(nil, busID), func() error {
		err := readReply(conn, proto.OpReplyImport)
		if err == nil {
			remote, err = proto.ReadDevice(conn, false)
		}
		if err == nil && remote.BusID != busID {
			err = fmt.Errorf("%w: import of %q answered with %q", proto.ErrMalformed, busID, remote.BusID)
		}
		return err
	})
	if err != nil {
		return proto.Device{}, fmt.Errorf("importing USB device %q: %w", busID, err)
	}
	return remote, nil
}

// exchange sends a request and reads the reply, within ctx.
func exchange(ctx context.Context, conn net.Conn, request []byte, read func() error) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		conn.SetDeadline(time.Unix(1, 0))
	})
	_, err := conn.Write(request)
	if err == nil {
		err = read()
	}
	if !stop() {
		<-interrupted
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// readReply reads the beginning of a reply and turns its status into an error.
func readReply(conn net.Conn, want proto.OpCode) error {
	op, err := proto.ReadOp(conn)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%w: the USB/IP server ended the connection; does it want TLS, or no TLS?", err)
	case err != nil:
		return err
	case op.Code != want:
		return fmt.Errorf("%w: reply %04x, want %04x", proto.ErrMalformed, uint16(op.Code), uint16(want))
	case op.Status == proto.OpOK:
		return nil
	case op.Status == proto.OpBusy:
		return ErrBusy
	case op.Status == proto.OpNoDevice:
		return ErrNoDevice
	}
	return fmt.Errorf("%w: %w", ErrRefused, op.Status)
}
