package labca_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usbhsm7/usbip/socket/labca"
)

func certificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s is no PEM file", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestCertificatesAreForWhatTheyAreMadeFor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	err := labca.Write(dir, labca.Plan{Hosts: []string{"hsm.example", "192.0.2.7"}, Clients: []string{"alice", "bob"}})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, filepath.Join(dir, "ca.pem")))
	verify := func(name, host string, use x509.ExtKeyUsage) error {
		_, err := certificate(t, filepath.Join(dir, name+".pem")).Verify(x509.VerifyOptions{
			Roots: roots, DNSName: host, KeyUsages: []x509.ExtKeyUsage{use},
		})
		return err
	}
	for _, host := range []string{"hsm.example", "192.0.2.7", "localhost", "127.0.0.1", "::1"} {
		if err := verify("server", host, x509.ExtKeyUsageServerAuth); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"alice", "bob"} {
		if err := verify(name, "", x509.ExtKeyUsageClientAuth); err != nil {
			t.Error(err)
		}
		if err := verify(name, "", x509.ExtKeyUsageServerAuth); err == nil {
			t.Errorf("%s may be a server", name)
		}
	}
	if err := verify("server", "other.example", x509.ExtKeyUsageServerAuth); err == nil {
		t.Error("the server may have a name that it was not given")
	}
	if err := verify("server", "", x509.ExtKeyUsageClientAuth); err == nil {
		t.Error("the server may be a host")
	}
}

func TestKeysAreTheOwners(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	if err := labca.Write(dir, labca.Plan{}); err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{
		".": 0o700, "ca.pem": 0o644,
		"server.key": 0o600, "server.pem": 0o644, "client.key": 0o600, "client.pem": 0o644,
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(want)-1 { // without the folder itself; in particular no key of the CA
		t.Errorf("%d files, %v: %v", len(entries), err, entries)
	}
	for name, mode := range want {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	if err := labca.Write(dir, labca.Plan{}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := labca.Write(dir, labca.Plan{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want %v", err, fs.ErrExist)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "ca.pem")); err != nil || string(after) != string(before) {
		t.Errorf("the CA was changed, %v", err)
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	for name, plan := range map[string]labca.Plan{
		"host with a port":      {Hosts: []string{"hsm.example:3240"}},
		"empty host":            {Hosts: []string{""}},
		"client with a path":    {Clients: []string{"../alice"}},
		"client without a name": {Clients: []string{""}},
		"client called server":  {Clients: []string{"server"}},
		"two of one name":       {Clients: []string{"alice", "alice"}},
	} {
		dir := filepath.Join(t.TempDir(), "tls")
		if err := labca.Write(dir, plan); !errors.Is(err, labca.ErrPlan) {
			t.Errorf("%s: %v, want %v", name, err, labca.ErrPlan)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was written", name)
		}
	}
}

func TestValidity(t *testing.T) {
	dir := t.TempDir()
	begin := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	if err := labca.Write(dir, labca.Plan{Begin: begin, Valid: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca", "server", "client"} {
		cert := certificate(t, filepath.Join(dir, name+".pem"))
		if !cert.NotBefore.Equal(begin) || !cert.NotAfter.Equal(begin.Add(time.Hour)) {
			t.Errorf("%s is valid from %v to %v", name, cert.NotBefore, cert.NotAfter)
		}
	}
}
