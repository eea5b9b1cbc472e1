package lab

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/scripts/lab/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machineWith returns a machine whose agent is the test: it gets each request's
// connection.
func machineWith(t *testing.T, agent func(protocol.Request, net.Conn)) *Machine {
	t.Helper()
	host, guest := net.Pipe()
	m := &Machine{idle: make(chan visitor, 1), gone: make(chan struct{})}
	m.idle <- visitor{conn: host}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer guest.Close()
		var request protocol.Request
		if err := json.NewDecoder(guest).Decode(&request); err == nil {
			agent(request, guest)
		}
	}()
	t.Cleanup(func() {
		host.Close()
		<-done
	})
	return m
}

func say(t *testing.T, conn net.Conn, replies ...protocol.Reply) {
	t.Helper()
	for _, r := range replies {
		if err := json.NewEncoder(conn).Encode(r); err != nil {
			t.Error(err)
		}
	}
}

func TestExecCollectsOutputs(t *testing.T) {
	m := machineWith(t, func(r protocol.Request, conn net.Conn) {
		if r.Op != protocol.Exec || strings.Join(r.Argv, " ") != "echo hello" {
			t.Errorf("request %+v", r)
		}
		say(t, conn, protocol.Reply{Stdout: []byte("hel")}, protocol.Reply{Stderr: []byte("oh")}, protocol.Reply{Stdout: []byte("lo")}, protocol.Reply{Done: true})
	})
	r, err := m.Exec(t.Context(), "echo", "hello")
	if err != nil || r.Stdout != "hello" || r.Stderr != "oh" {
		t.Errorf("Exec = %+v, %v", r, err)
	}
}

func TestExitCodeIsAnErrorThatQuotesTheProgram(t *testing.T) {
	m := machineWith(t, func(_ protocol.Request, conn net.Conn) {
		say(t, conn, protocol.Reply{Stderr: []byte("no such thing\n")}, protocol.Reply{Done: true, Code: 3})
	})
	_, err := m.Exec(t.Context(), "find", "it")
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 3 || err.Error() != "find it: exit code 3: no such thing" {
		t.Errorf("Exec: %v, want an *ExitError with code 3 and the program's words", err)
	}
}

func TestFailureInTheGuestIsReported(t *testing.T) {
	m := machineWith(t, func(_ protocol.Request, conn net.Conn) {
		say(t, conn, protocol.Reply{Done: true, Error: "no such file"})
	})
	if _, err := m.Get(t.Context(), "/x"); err == nil || !strings.Contains(err.Error(), "get /x: in the guest: no such file") {
		t.Errorf("Get: %v", err)
	}
}

func TestEndOfTheContextEndsTheRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := machineWith(t, func(_ protocol.Request, conn net.Conn) {
		cancel()
		_, _ = conn.Read(make([]byte, 1)) // the host closes the connection
	})
	if _, err := m.Exec(ctx, "sleep"); !errors.Is(err, context.Canceled) {
		t.Errorf("Exec: %v, want %v", err, context.Canceled)
	}
}

func TestDeadGuestIsReportedWithItsConsole(t *testing.T) {
	gone := make(chan struct{})
	m := machineWith(t, func(protocol.Request, net.Conn) {})
	m.gone = gone
	_, _ = m.console.Write([]byte("Kernel panic - not syncing\n"))
	close(gone)
	for _, when := range []string{"during a request", "before a request"} {
		if _, err := m.Exec(t.Context(), "true"); !errors.Is(err, ErrDied) || !strings.Contains(err.Error(), "Kernel panic") {
			t.Errorf("%s: %v, want ErrDied and the console", when, err)
		}
	}
}

// greetWith tells whether a machine admits a caller who says text. One who says
// nothing hangs up; the others wait for an answer.
func greetWith(t *testing.T, text string) error {
	t.Helper()
	host, caller := net.Pipe()
	defer host.Close()
	defer caller.Close()
	go func() {
		_, _ = caller.Write([]byte(text))
		if text == "" {
			caller.Close()
		}
	}()
	_, err := (&Machine{token: "secret"}).greet(host)
	return err
}

func TestOnlyTheAgentIsAdmitted(t *testing.T) {
	if err := greetWith(t, `{"token":"secret","release":"6.1"}`+"\n"); err != nil {
		t.Errorf("the agent was turned away: %v", err)
	}
	for _, text := range []string{`{"token":"guess"}` + "\n", `{}` + "\n", "GET / HTTP/1.1\r\n\r\n", ""} {
		if greetWith(t, text) == nil {
			t.Errorf("a caller who said %q was admitted", text)
		}
	}
}
