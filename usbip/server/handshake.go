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

// ServeConn serves one connection and closes it. It returns when the connection
// or ctx has ended. Serve calls it for what it accepts; other connections, such
// as one end of [socket.Pair], are served beside them and count with them.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	log := s.options.Logger.With("host", socket.Name(conn.RemoteAddr()))
	if !s.enter() {
		log.Warn("too many USB/IP connections", "limit", s.options.MaxConnections)
		return
	}
	defer s.leave()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	socket.KeepAlive(conn)
	if err := s.handshake(ctx, conn, log); err != nil && ctx.Err() == nil {
		log.Warn("USB/IP connection failed", "error", err)
	}
}

func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.options.MaxConnections {
		return false
	}
	s.open++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

// handshake reads what a connection wants and does it.
func (s *Server) handshake(ctx context.Context, conn net.Conn, log *slog.Logger) error {
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
		return refuse(conn, status, log)
	}
	defer s.free(e)
	gone, err := e.port.Connect()
	if err != nil {
		return refuse(conn, connectStatus(err), log)
	}
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
	log.Info("USB device released", "reason", err)
	return nil
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

// refuse answers an import that failed.
func refuse(conn net.Conn, status proto.OpStatus, log *slog.Logger) error {
	log.Info("import refused", "status", status)
	_, err := conn.Write(proto.Op{Code: proto.OpReplyImport, Status: status}.Append(nil))
	return err
}
