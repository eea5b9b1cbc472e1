package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/usb"
)

// errEvicted is logged of a connection that said too late what it wants.
var errEvicted = errors.New("it gave way to a newer connection before it had said what it wants")

// ServeConn serves one connection and closes it. It returns when the connection
// or ctx has ended. Serve calls it for what it accepts; other connections, such
// as one end of [socket.Pair], are served beside them and count with them.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	log := s.options.Logger.With("host", socket.Name(conn.RemoteAddr()))
	g, evicted := s.admission.enter(conn)
	if evicted != nil {
		evicted.Close()
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	socket.KeepAlive(conn)
	err := s.handshake(ctx, g, log)
	if !s.admission.leave(g) {
		err = fmt.Errorf("%w, and no more than %d can wait", errEvicted, s.options.MaxConnections)
	}
	if err != nil && ctx.Err() == nil {
		s.complaints.warn(log, "USB/IP connection failed", "error", err)
	}
}

// handshake reads what a connection wants and does it.
func (s *Server) handshake(ctx context.Context, g *guest, log *slog.Logger) error {
	conn := g.conn
	if err := conn.SetDeadline(time.Now().Add(s.options.HandshakeTimeout)); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	if secure, ok := conn.(interface{ HandshakeContext(context.Context) error }); ok {
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
	}
	op, err := proto.ReadOp(conn)
	if err != nil {
		return err
	}
	switch op.Code {
	case proto.OpRequestDevices:
		_, err := conn.Write(proto.AppendDevices(nil, s.list()))
		return err
	case proto.OpRequestImport:
		busID, err := proto.ReadBusID(conn)
		if err != nil {
			return err
		}
		if !s.admission.leave(g) {
			return errEvicted
		}
		return s.serveImport(ctx, conn, busID, log.With("busid", busID))
	}
	return fmt.Errorf("%w: operation %04x", proto.ErrMalformed, uint16(op.Code))
}

// serveImport connects the host to a device and serves it until the connection,
// the device or ctx ends.
func (s *Server) serveImport(ctx context.Context, conn net.Conn, busID string, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e, status := s.claim(busID, &host{cancel: cancel, ended: make(chan struct{})})
	if status != proto.OpOK {
		return refuse(conn, busID, status)
	}
	gone, err := e.port.Connect()
	if err != nil {
		s.free(e) // before the host learns of it, and may ask again
		return refuse(conn, busID, connectStatus(err))
	}
	defer s.free(e)
	defer e.port.Disconnect()

	device := e.device
	device.Identity = e.port.Identity()
	reply := proto.Op{Code: proto.OpReplyImport}.Append(nil)
	if _, err := conn.Write(device.Append(reply)); err != nil {
		return fmt.Errorf("answering an import: %w", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("clearing the deadline: %w", err)
	}
	log.Info("USB device imported")
	err = newSession(conn, e.port, device.DevID(), s.options, &s.earlyUnlinks).run(ctx, gone)
	s.logRelease(log, err)
	return nil
}

// logRelease tells ends that are in order from those that somebody should look
// at.
func (s *Server) logRelease(log *slog.Logger, cause error) {
	const message = "USB device released"
	switch cause {
	case errHostLeft, errUnplugged, errStopped:
		log.Info(message, "reason", cause)
	default:
		s.complaints.warn(log, message, "reason", cause)
	}
}

func connectStatus(err error) proto.OpStatus {
	switch {
	case errors.Is(err, usb.ErrBusy):
		return proto.OpBusy
	case errors.Is(err, usb.ErrNoDevice):
		return proto.OpNoDevice
	}
	return proto.OpDeviceError
}

// refuse answers an import that failed. The error says so for the log.
func refuse(conn net.Conn, busID string, status proto.OpStatus) error {
	if _, err := conn.Write(proto.Op{Code: proto.OpReplyImport, Status: status}.Append(nil)); err != nil {
		return fmt.Errorf("refusing the import of %q: %w", busID, err)
	}
	return fmt.Errorf("import of %q refused: %w", busID, status)
}
