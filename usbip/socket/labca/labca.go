// Package labca makes certificates for a laboratory: an authority that lives for
// one call, and servers and hosts that it vouches for.
//
//	err := labca.Write("tls", labca.Plan{Hosts: []string{"hsm.example", "192.0.2.7"}})
//
// writes tls/ca.pem, tls/server.pem with server.key, and tls/client.pem with
// client.key: what package socket's Identity takes on both sides. The
// authority's private key is written nowhere, so that nobody can add a host
// later; for another one, make new certificates for all.
//
// Keys are ECDSA on P-256 (FIPS 186-5), in PKCS #8; files with keys have mode
// 0600.
package labca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// Plan says what to make. Zero fields take the value in brackets.
type Plan struct {
	Hosts   []string      // names and addresses of the server, besides those of the loopback interface
	Clients []string      // names of hosts, each of 1 to 32 letters, digits, dots and dashes [client]
	Begin   time.Time     // of the validity [an hour ago, for clocks that differ]
	Valid   time.Duration // how long from now, or from Begin if it is given [one year]
}

// ErrPlan says that something in a Plan cannot be.
var ErrPlan = errors.New("no certificates can be made like that")

// own are the names and addresses under which a server is reached from its own
// machine. A server on a Unix socket is "localhost" too.
var own = []string{"localhost", "127.0.0.1", "::1"}

const year = 365 * 24 * time.Hour

func (p Plan) withDefaults() Plan {
	if len(p.Clients) == 0 {
		p.Clients = []string{"client"}
	}
	if p.Valid <= 0 {
		p.Valid = year
	}
	if p.Begin.IsZero() {
		p.Begin = time.Now().Add(-time.Hour)
		p.Valid += time.Hour
	}
	return p
}

var clientName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.-]{0,31}$`)

// check finds names that cannot be file names, or would be in each other's way.
func (p Plan) check() error {
	taken := map[string]bool{"ca": true, "server": true}
	for _, name := range p.Clients {
		if !clientName.MatchString(name) || taken[name] {
			return fmt.Errorf("%w: the name %q of a client is taken, or not 1 to 32 letters, digits, dots and dashes", ErrPlan, name)
		}
		taken[name] = true
	}
	for _, host := range p.Hosts {
		if host == "" || net.ParseIP(host) == nil && !hostName.MatchString(host) {
			return fmt.Errorf("%w: %q is neither an address nor the name of a host (leave the port out)", ErrPlan, host)
		}
	}
	return nil
}

var hostName = regexp.MustCompile(`^(\*\.)?[0-9A-Za-z_]([0-9A-Za-z_-]*[0-9A-Za-z_])?(\.[0-9A-Za-z_]([0-9A-Za-z_-]*[0-9A-Za-z_])?)*$`)

// Write makes the certificates and writes them to the folder dir, which is made
// if it is absent, with mode 0700. It overwrites nothing: the error then wraps
// fs.ErrExist. Other errors: ErrPlan, and those of writing.
func Write(dir string, p Plan) error {
	p = p.withDefaults()
	if err := p.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := newAuthority(p)
	if err != nil {
		return err
	}
	if err := create(filepath.Join(dir, "ca.pem"), 0o644, "CERTIFICATE", ca.cert.Raw); err != nil {
		return err
	}
	if err := ca.issue(dir, "server", x509.ExtKeyUsageServerAuth, slices.Concat(own, p.Hosts)); err != nil {
		return err
	}
	for _, name := range p.Clients {
		if err := ca.issue(dir, name, x509.ExtKeyUsageClientAuth, nil); err != nil {
			return err
		}
	}
	return nil
}

// authority signs certificates.
type authority struct {
	plan Plan
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(p Plan) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := p.template("usbhsm7 laboratory CA")
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{p, cert, key}, err
}

// template returns what all certificates have (RFC 5280, section 4.1).
func (p Plan) template(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    p.Begin, NotAfter: p.Begin.Add(p.Valid),
	}, nil
}

// issue writes name.pem and name.key.
func (a *authority) issue(dir, name string, use x509.ExtKeyUsage, hosts []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := a.plan.template(name)
	if err != nil {
		return err
	}
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{use}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(secret)
	if err := create(filepath.Join(dir, name+".key"), 0o600, "PRIVATE KEY", secret); err != nil {
		return err
	}
	return create(filepath.Join(dir, name+".pem"), 0o644, "CERTIFICATE", der)
}

// create writes a PEM file that must not be there yet.
func create(path string, mode os.FileMode, kind string, der []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(f, &pem.Block{Type: kind, Bytes: der}), f.Close())
}
