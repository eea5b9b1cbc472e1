package control_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usbhsm7/firmware/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unit is a device that remembers whether it is on.
type unit struct {
	powered bool
	refuses error
}

func (u *unit) Status() control.Status { return control.Status{Serial: "S1", Powered: u.powered} }
func (u *unit) PowerOn(context.Context) error {
	u.powered = u.refuses == nil
	return u.refuses
}

func (u *unit) PowerOff(context.Context) error {
	u.powered = false
	return nil
}

// serve serves u until the test ends.
func serve(t *testing.T, u control.Unit, add func(*control.Server)) *control.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := control.NewServer(u)
	if add != nil {
		add(server)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return control.NewClient(path)
}

func TestPowerSwitch(t *testing.T) {
	client := serve(t, &unit{powered: true}, nil)
	steps := []struct {
		name string
		call func(context.Context) (control.Status, error)
		want bool
	}{
		{"it is on", client.Status, true},
		{"switched off", client.PowerOff, false},
		{"it is off", client.Status, false},
		{"switched off twice", client.PowerOff, false},
		{"switched on", client.PowerOn, true},
	}
	for _, step := range steps {
		if s, err := step.call(t.Context()); err != nil || s.Powered != step.want || s.Serial != "S1" {
			t.Errorf("%s: %+v, %v", step.name, s, err)
		}
	}
}

func TestFailureOfTheUnitReachesTheClient(t *testing.T) {
	client := serve(t, &unit{refuses: errors.New("the fuse has blown")}, nil)
	if _, err := client.PowerOn(t.Context()); err == nil || err.Error() != "the fuse has blown" {
		t.Errorf("error %v", err)
	}
}

func TestAdviceReachesTheClient(t *testing.T) {
	client := serve(t, &unit{refuses: &control.Advice{Err: errors.New("the fuse has blown"), Hint: "put another in"}}, nil)
	_, err := client.PowerOn(t.Context())
	if err == nil || err.Error() != "the fuse has blown" || control.HintOf(err) != "put another in" {
		t.Errorf("error %v, hint %q", err, control.HintOf(err))
	}
	if hint := control.HintOf(errors.New("else")); hint != "" {
		t.Errorf("hint %q without advice", hint)
	}
}

func TestUnknownRequestsAreRefused(t *testing.T) {
	client := serve(t, &unit{}, nil)
	for _, path := range []string{"/", "/nothing", "/power/on/extra"} {
		if err := client.Call(t.Context(), "GET", path, nil, nil); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := client.Call(t.Context(), "GET", "/power/off", nil, nil); err == nil || !strings.Contains(err.Error(), "405") {
		t.Errorf("GET /power/off: %v", err)
	}
}

func TestNoSimulator(t *testing.T) {
	client := control.NewClient(filepath.Join(t.TempDir(), "control.sock"))
	if _, err := client.Status(t.Context()); !errors.Is(err, control.ErrUnreachable) {
		t.Errorf("error %v", err)
	}
}

func TestStreamEndsWithTheServer(t *testing.T) {
	started := make(chan struct{})
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	client := serve(t, &unit{}, func(s *control.Server) {
		s.Handle("GET /stream", func(w http.ResponseWriter, r *http.Request) error {
			close(started)
			<-r.Context().Done()
			return nil
		})
	})
	go func() { _, _ = client.Stream(ctx, "GET", "/stream", nil) }()
	<-started // the cleanup of serve waits for the end of the handler
}
