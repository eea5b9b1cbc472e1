package socket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// ErrTLS says that the two sides do not come to terms over TLS; the error that
// wraps it says why, and what to do.
var ErrTLS = errors.New("no TLS connection")

// secured is a TLS connection whose errors say what to do about them.
type secured struct{ *tls.Conn }

// HandshakeContext is that of tls.Conn.
func (s *secured) HandshakeContext(ctx context.Context) error {
	err := s.Conn.HandshakeContext(ctx)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w: the other side ended the connection in the handshake; does it speak TLS?", ErrTLS)
	}
	return explainTLS(err)
}

// Read is that of tls.Conn. The first one may bring the other side's opinion of
// our certificate.
func (s *secured) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil && err != io.EOF {
		err = explainTLS(err)
	}
	return n, err
}

// secureListener accepts TLS connections, not yet shaken hands.
type secureListener struct {
	net.Listener
	config *tls.Config
}

func (l *secureListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &secured{tls.Server(conn, l.config)}, nil
}

// advice is what to do about an error of TLS, first match first.
var advice = []struct {
	is   func(error) bool
	hint string
}{
	{isA[tls.RecordHeaderError], "the other side does not speak TLS"},
	{isA[x509.UnknownAuthorityError], "its certificate is not from our CA; both sides need certificates of one CA"},
	{isA[x509.HostnameError], "the server's certificate is for other names; make one that names the host you connect to"},
	{isExpired, "the certificate is out of date, or this machine's clock is wrong"},
	{says("remote error", "unknown certificate authority"), "the other side does not know the CA of our certificate; both sides need certificates of one CA"},
	{says("remote error", "certificate required"), "the other side wants a certificate of ours"},
	{says("client didn't provide a certificate"), "the host has no certificate"},
	{says("remote error", "expired certificate"), "our certificate is out of date, or the other machine's clock is wrong"},
	{says("remote error", "bad certificate"), "the other side refuses our certificate"},
	{says("remote error", "protocol version"), "the other side speaks no TLS 1.3"},
	{says("unsupported versions"), "the other side speaks no TLS 1.3"},
	{says("remote error"), "the other side ended the TLS connection"},
}

// explainTLS adds advice to an error of TLS, and leaves others as they are.
func explainTLS(err error) error {
	if err == nil {
		return nil
	}
	for _, a := range advice {
		if a.is(err) {
			return fmt.Errorf("%w: %s (%w)", ErrTLS, a.hint, err)
		}
	}
	return err
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func isExpired(err error) bool {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired
}

// says matches errors that have no type by their text, which holds every word.
// Alerts of the other side are such errors.
func says(words ...string) func(error) bool {
	return func(err error) bool {
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				return false
			}
		}
		return true
	}
}
