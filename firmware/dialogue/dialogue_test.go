package dialogue_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/dialoguetest"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/firmware/hsm"
	"usbhsm7/ikey"
)

var (
	so     = hsm.Subject{Secret: hsm.SecretRole, Role: command.RoleSO, Label: "demo"}
	co     = hsm.Subject{Secret: hsm.SecretRole, Role: command.RoleCO, Label: "keys"}
	domain = hsm.Subject{Secret: hsm.SecretDomain, Label: "demo"}
)

// entropy returns random bytes that are the same in every run.
func entropy() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{7}) }

// office is a desk with somebody in front of it who follows a script.
type office struct {
	*dialoguetest.Bench
	desk *dialogue.Desk
	gave chan error // why the person left, if the script did not know what to do
}

// covered are the moves that the tests of this package have made.
var covered dialogue.Coverage

// open runs do in virtual time, with a desk that is attended by a script.
func open(t *testing.T, script string, prepare func(*dialoguetest.Port), do func(*testing.T, *office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := dialoguetest.New()
		if prepare != nil {
			prepare(b.Port)
		}
		o := &office{Bench: b, gave: make(chan error, 1), desk: dialogue.New(dialogue.Config{
			Panel: b.Panel, Reader: b.Port, Clock: dialoguetest.Clock{}, Entropy: entropy(),
		})}
		covered.Watch(o.desk)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { o.desk.Run(ctx); close(ended) }()
		go func() { o.gave <- b.Person(script).Attend(ctx) }()
		do(t, o)
		stop()
		<-ended
		if err := <-o.gave; !errors.Is(err, context.Canceled) {
			t.Errorf("the person left: %v", err)
		}
	})
}

const oneKey = `
key blue-1 blue
when create/reuse: no
when create/m: number 1
when create/n: number 1
when write/insert: insert blue-1
when write/blank: yes
when write/pin: ok
when create/duplicate: no
when present/insert: insert blue-1
`

func TestAKeysetOfOneKeyOpensWhatItWasMadeFor(t *testing.T) {
	open(t, oneKey, nil, func(t *testing.T, o *office) {
		made, err := o.desk.Create(t.Context(), so)
		if err != nil || len(made) != ikey.SecretSize {
			t.Fatalf("create: %d bytes, %v", len(made), err)
		}
		shown, err := o.desk.Present(t.Context(), so)
		if err != nil || !bytes.Equal(shown, made) {
			t.Errorf("present: the secret differs from the one that was made, or %v", err)
		}
	})
}

func TestThreeOfFiveKeysWithPINsOpenTheirSecret(t *testing.T) {
	open(t, `
key k1
key k2
key k3
key k4
key k5
when create/reuse: no
when create/m: number 3
when create/n: number 5
when write/insert "iKey 1 of 5": insert k1
when write/insert "iKey 2 of 5": insert k2
when write/insert "iKey 3 of 5": insert k3
when write/insert "iKey 4 of 5": insert k4
when write/insert "iKey 5 of 5": insert k5
when write/blank: yes
when write/pin: type 123456
when write/confirm-pin: type 123456
when create/duplicate: no
when present/insert: insert k4
once present/next "1 of 3": insert k1
when present/next "2 of 3": insert k5
when read/pin: type 123456
`, nil, func(t *testing.T, o *office) {
		made, err := o.desk.Create(t.Context(), co)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := o.desk.Present(t.Context(), co)
		if err != nil || !bytes.Equal(shown, made) {
			t.Errorf("present: the secret differs from the one that was made, or %v", err)
		}
	})
}

func TestADialogueEndsWhenTheHostGivesUp(t *testing.T) {
	open(t, "when present/insert: wait", nil, func(t *testing.T, o *office) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := o.desk.Present(ctx, so); !errors.Is(err, command.StatusFunctionCanceled) {
			t.Errorf("present: %v, want %v", err, command.StatusFunctionCanceled)
		}
		synctest.Wait()
		if id := o.Panel.Screen().ID; id != "home" {
			t.Errorf("the screen shows %s, not the home screen", id)
		}
	})
}

func TestWhoComesLaterWaitsForTheScreen(t *testing.T) {
	open(t, oneKey+"when write/used: yes\n", nil, func(t *testing.T, o *office) {
		results := make(chan error, 8)
		for range cap(results) {
			go func() { _, err := o.desk.Create(t.Context(), so); results <- err }()
		}
		for range cap(results) {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAScreenWithoutARuleEndsThePersonsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := dialoguetest.New()
		desk := dialogue.New(dialogue.Config{Panel: b.Panel, Reader: b.Port, Clock: dialoguetest.Clock{}, Entropy: entropy()})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { desk.Run(ctx); close(ended) }()
		go func() { _, _ = desk.Present(ctx, domain) }()
		err := b.Person("when create/reuse: no").Attend(ctx)
		if !errors.Is(err, person.ErrUnexpected) || !strings.Contains(err.Error(), `"when present/insert: insert KEY"`) {
			t.Errorf("%v, want a hint", err)
		}
		stop()
		<-ended
	})
}
