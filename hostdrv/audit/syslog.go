package audit

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"usbhsm7/firmware/command"
)

// Facility and severities of the messages (RFC 5424, section 6.2.1).
const (
	facilityAudit = 13 // log audit
	severityWarn  = 4  // of failures
	severityInfo  = 6
)

// writeTimeout bounds how long a log server may leave a message unread.
const writeTimeout = 10 * time.Second

// Syslog sends records to a log server: syslog messages (RFC 5424) over TLS
// (RFC 5425).
type Syslog struct {
	serial string
	host   string
	conn   net.Conn
}

// DialSyslog connects to the log server at address, "host:port"; the port that
// RFC 5425 names is 6514. The server is authenticated as config says.
func DialSyslog(ctx context.Context, address, serial string, config *tls.Config) (*Syslog, error) {
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to the log server %s: %w", address, err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "-"
	}
	return &Syslog{serial: serial, host: host, conn: conn}, nil
}

// Close ends the connection.
func (s *Syslog) Close() error { return s.conn.Close() }

// Forward sends records. It fits Options.Forward.
func (s *Syslog) Forward(ctx context.Context, records []command.AuditRecord) error {
	var batch []byte
	for i := range records {
		message, err := s.message(&records[i])
		if err != nil {
			return err
		}
		batch = strconv.AppendInt(batch, int64(len(message)), 10) // RFC 5425, section 4.3.1
		batch = append(batch, ' ')
		batch = append(batch, message...)
	}
	deadline := time.Now().Add(writeTimeout)
	if limit, ok := ctx.Deadline(); ok && limit.Before(deadline) {
		deadline = limit
	}
	if err := s.conn.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("send to the log server: %w", err)
	}
	if _, err := s.conn.Write(batch); err != nil {
		return fmt.Errorf("send to the log server: %w", err)
	}
	return nil
}

// message returns one record as a syslog message (RFC 5424, section 6).
func (s *Syslog) message(r *command.AuditRecord) (string, error) {
	line, err := r.Line(s.serial)
	if err != nil {
		return "", err
	}
	severity := severityInfo
	if r.Event.Status != command.StatusOK {
		severity = severityWarn
	}
	when := time.Unix(r.Event.Time, 0).UTC().Format(time.RFC3339)
	return fmt.Sprintf("<%d>1 %s %s usbhsm7 %d %s - %s", facilityAudit*8+severity, when, s.host, os.Getpid(), r.Event.Operation, line), nil
}
