package dialogue_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/dialoguetest"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/ikey"
	"usbhsm7/ikey/ring"
	"usbhsm7/touchscreen"
)

// insistent plugs the key in again whenever it slips out.
const insistent = `
when create/reuse: no
when create/m: number 1
when create/n: number 1
when write/insert: insert k
when write/blank: yes
when write/used: yes
when write/pin: ok
when write/pulled: insert k
when read/not-a-key: insert k
when create/duplicate: no
when present/insert: insert k
when read/pulled: insert k
`

// TestTheKeySlipsOutAfterAnyByte uses the real screen, and a real port with its
// USB transfers: wherever the key is pulled out while it is written or read, the
// person plugs it in again and the dialogue comes to its end.
func TestTheKeySlipsOutAfterAnyByte(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 50
	}
	for _, moment := range []string{"write", "read"} {
		slipped, n := true, 0
		for ; slipped; n += step {
			slipped = slip(t, moment == "read", n)
		}
		if n < 100 {
			t.Errorf("%s: it slipped out only up to byte %d", moment, n)
		}
	}
}

// slip reports whether the key did slip out after n bytes.
func slip(t *testing.T, reading bool, n int) bool {
	t.Helper()
	port := ikey.NewPort()
	keys := ring.New(port, nil)
	defer keys.Close()
	panel, err := touchscreen.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	front := person.Front{Panel: panel, Keys: keys}
	desk := dialogue.New(dialogue.Config{Panel: panel, Reader: ikey.NewReader(port), Clock: dialoguetest.Clock{}, Entropy: entropy()})
	script, err := person.Parse("key k"+insistent, dialogue.Screens())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended, left := make(chan struct{}), make(chan error, 1)
	inserted := 0
	p := person.Person{Script: script, Hands: front, Note: func(_ person.Seen, r person.Rule) {
		if r.Do[0].Verb == person.Insert {
			inserted++
		}
	}}
	go func() { desk.Run(ctx); close(ended) }()
	go func() { left <- p.Attend(ctx) }()
	pull := func(wanted bool) {
		if wanted {
			if err := keys.PullAfter("k", n); err != nil {
				t.Error(err)
			}
		}
	}
	if err := front.Bring(ctx, person.Key{Name: "k"}); err != nil {
		t.Fatal(err)
	}
	pull(!reading)
	made, err := desk.Create(ctx, so)
	if err != nil {
		t.Fatalf("slipped out after %d bytes: %v", n, err)
	}
	if err := front.Remove(ctx); err != nil {
		t.Fatal(err)
	}
	pull(reading)
	shown, err := desk.Present(ctx, so)
	if err != nil || !bytes.Equal(shown, made) {
		t.Errorf("slipped out after %d bytes: another secret, or %v", n, err)
	}
	stop()
	<-ended
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the person left: %v", err)
	}
	return inserted > 2 // once each to write and to read it
}
