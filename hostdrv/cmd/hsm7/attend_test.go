package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/peopletest"
)

// TestPeopleAreToldBeforeTheyAct has people who do nothing until they have read on
// the terminal that the device waits for them.
func TestPeopleAreToldBeforeTheyAct(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"text": {nil, "Please attend to the device's screen."},
		"JSON": {[]string{"--json"}, `{"attend":"hsm-init waits for people at the device","role":"so"}`},
	} {
		t.Run(name, func(t *testing.T) {
			lines, told, people := make(chan string), make(chan struct{}), new(peopletest.People)
			people.When(func(ctx context.Context, _ hsm.Subject) error {
				select {
				case <-told:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			address, err := serve(people, t.Cleanup)
			if err != nil {
				t.Fatal(err)
			}
			reads, errs, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				defer close(lines)
				for text := bufio.NewScanner(reads); text.Scan(); {
					if text.Text() == test.want {
						close(told) // twice would be a panic: people are told once
					} else {
						lines <- text.Text()
					}
				}
			}()
			args := append([]string{"hsm", "init", "--label", "demo", "--auth", "quorum", "--via", "usbip", "--usbip", address}, test.args...)
			status := new(app).run(t.Context(), args, os.Stdin, discard(t), errs)
			errs.Close()
			for line := range lines {
				t.Errorf("told %q", line)
			}
			if status != 0 || people.Times() != 2 {
				t.Errorf("status %d, people were asked %d times", status, people.Times())
			}
		})
	}
}

func discard(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestTimeoutEndsWhenPeopleAreWaitedFor is about --timeout: it bounds what the
// device takes, and not what people take.
func TestTimeoutEndsWhenPeopleAreWaitedFor(t *testing.T) {
	for name, code := range map[string]command.EventCode{"people": command.EventAttend, "another event": command.EventStorageLow} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var errs bytes.Buffer
				p := (&app{timeout: time.Minute, errs: &errs}).newPatience(t.Context())
				events := make(chan command.Event, 1)
				events <- command.Event{Code: code}
				p.listen(func(ctx context.Context) (command.Event, error) {
					select {
					case e := <-events:
						return e, nil
					case <-ctx.Done():
						return command.Event{}, ctx.Err()
					}
				})
				waits := code == command.EventAttend
				select {
				case <-p.ctx.Done():
					if waits {
						t.Error("ended while people are waited for")
					}
				case <-time.After(time.Hour):
					if !waits {
						t.Error("goes on for ever")
					}
				}
				switch err := p.end(context.Canceled); {
				case waits && (!errors.Is(err, context.Canceled) || !strings.Contains(errs.String(), "attend")):
					t.Errorf("error %v, told %q", err, errs.String())
				case !waits && (!errors.Is(err, context.DeadlineExceeded) || errs.Len() > 0):
					t.Errorf("error %v, told %q", err, errs.String())
				}
			})
		})
	}
}
