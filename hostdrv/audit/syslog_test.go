package audit_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"usbhsm7/hostdrv/audit"
)

// logServer is a log server that takes syslog messages over TLS.
func logServer(t *testing.T) (address string, trust *x509.CertPool, messages <-chan string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust = x509.NewCertPool()
	trust.AddCert(cert)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan string, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			readMessages(conn, out)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return listener.Addr().String(), trust, out
}

// readMessages reads messages in octet-counting frames.
func readMessages(conn net.Conn, out chan<- string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		length, err := in.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
		if err != nil {
			return
		}
		message := make([]byte, n)
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		out <- string(message)
	}
}

func TestRecordsReachALogServerOverTLS(t *testing.T) {
	address, trust, messages := logServer(t)
	s, err := audit.DialSyslog(t.Context(), address, "7000001", &tls.Config{RootCAs: trust})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Forward(t.Context(), records(1, 3)); err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^<110>1 2030-01-01T21:00:00Z \S+ usbhsm7 \d+ login - 1,30/01/01 21:00:00,S/N 7000001 .* operation login returned LUNA_RET_OK`)
	if first := <-messages; !form.MatchString(first) {
		t.Errorf("message %q", first)
	}
	<-messages
	<-messages
}

func TestLogServerThatIsNotTrustedGetsNothing(t *testing.T) {
	address, _, messages := logServer(t)
	if s, err := audit.DialSyslog(t.Context(), address, "7000001", &tls.Config{RootCAs: x509.NewCertPool()}); err == nil {
		_ = s.Close()
		t.Error("connected")
	}
	if len(messages) != 0 {
		t.Error("it got a message")
	}
}
