package socket

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Identity names the PEM files with which one side of a TLS connection proves
// who it is, and knows the other.
type Identity struct {
	Cert string // this side's certificate, and those between it and the CA
	Key  string // its private key
	CA   string // certificates of the authorities that vouch for the other side
}

// ErrIdentity says that some files of an Identity are named and others not.
var ErrIdentity = errors.New("TLS needs all three: certificate, key and CA")

// Given reports whether TLS is wanted: the zero Identity means plain connections.
func (i Identity) Given() bool { return i != Identity{} }

// Server returns a configuration for Listen: TLS 1.3, with hosts that have a
// certificate of the CA for client authentication. It is nil for the zero
// Identity. Errors: ErrIdentity, and why a file is not what it should be.
func (i Identity) Server() (*tls.Config, error) {
	config, ca, err := i.load()
	if err != nil || config == nil {
		return nil, err
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, ca
	config.SessionTicketsDisabled = true // every connection shows its certificate
	return config, nil
}

// Client returns a configuration for Dial: TLS 1.3, with servers that have a
// certificate of the CA. It is nil for the zero Identity. Errors are those of
// Server.
func (i Identity) Client() (*tls.Config, error) {
	config, ca, err := i.load()
	if err != nil || config == nil {
		return nil, err
	}
	config.RootCAs = ca
	return config, nil
}

func (i Identity) load() (*tls.Config, *x509.CertPool, error) {
	if !i.Given() {
		return nil, nil, nil
	}
	if i.Cert == "" || i.Key == "" || i.CA == "" {
		return nil, nil, ErrIdentity
	}
	pair, err := tls.LoadX509KeyPair(i.Cert, i.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("TLS certificate %s with key %s: %w", i.Cert, i.Key, err)
	}
	pem, err := os.ReadFile(i.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("TLS CA: %w", err)
	}
	ca := x509.NewCertPool()
	if !ca.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("TLS CA: %s holds no PEM certificate", i.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}}, ca, nil
}
