package dialogue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/dialogue/dialoguetest"
	"usbhsm7/ikey"
)

// unfits are iKeys that do not count after black-1, what the screen tells of them,
// and what the host is told if it ends there.
var unfits = []struct {
	name   string
	change func(*testing.T, *dialoguetest.Key)
	told   string
	want   command.Status
}{
	{"of another keyset", func(t *testing.T, k *dialoguetest.Key) { k.Contents = keyset(t, ikey.User, 2, 3, 9)[1] }, "present/other-set", command.StatusVectorOfDifferentSet},
	{"a duplicate", func(t *testing.T, k *dialoguetest.Key) { k.Contents = keyset(t, ikey.User, 2, 3, 3)[0] }, "present/same-key", command.StatusVectorDuplicate},
	{"of another kind", func(t *testing.T, k *dialoguetest.Key) { k.Contents = keyset(t, ikey.Domain, 2, 3, 3)[1] }, "read/other-kind", command.StatusVectorTypeInvalid},
	{"of another version", func(t *testing.T, k *dialoguetest.Key) {
		k.Contents, k.Unread = keyset(t, ikey.User, 2, 3, 3)[1], ikey.ErrVersion
	}, "read/other-version", command.StatusVectorVersionInvalid},
	{"that contradicts its keyset", func(t *testing.T, k *dialoguetest.Key) {
		k.Contents = keyset(t, ikey.User, 2, 3, 3)[1]
		k.Contents.N = 4
	}, "present/unfit", command.StatusSplitDataInvalid},
	{"that is damaged", func(_ *testing.T, k *dialoguetest.Key) { k.Fault = ikey.ErrDamaged }, "read/damaged", command.StatusSplitDataInvalid},
	{"whose contents make no sense", func(t *testing.T, k *dialoguetest.Key) {
		k.Contents, k.Unread = keyset(t, ikey.User, 2, 3, 3)[1], ikey.ErrContents
	}, "read/damaged", command.StatusSplitDataInvalid},
}

// leavings are how people end it after an iKey that did not count; %s is the screen
// that tells of it. What is asked again is present/next.
var leavings = []struct {
	name, script string
	want         command.Status // 0: that of the iKey
}{
	{"left while the screen tells", "when %s: wait", 0},
	{"left after it was told", "when %s: ok\nwhen present/next: wait", 0},
	{"cancelled after it was told", "when %s: ok\nwhen present/next: cancel", 0},
	{"left after a blank one", "when %s: insert white\nwhen read/blank: wait", command.StatusMissingSplits},
	{"cancelled after a blank one", "when %s: insert white\nwhen read/blank: ok\nwhen present/next: cancel", command.StatusFunctionCanceled},
	{"cancelled at a better one's PIN", "when %s: insert black-3\nwhen read/pin: cancel", command.StatusFunctionCanceled},
	{"cancelled after a better one's wrong PIN", "when %s: insert black-3\nonce read/pin: type 9999\nwhen read/wrong-pin: ok\nwhen read/pin: cancel", command.StatusFunctionCanceled},
	{"left after another that does not count", "once %s: insert red-1\nwhen read/other-kind: wait", command.StatusVectorTypeInvalid},
}

// TestTheHostIsToldWhatWasWrongWithTheLastKey has people leave after each iKey that
// does not count, in every way.
func TestTheHostIsToldWhatWasWrongWithTheLastKey(t *testing.T) {
	for _, u := range unfits {
		for _, l := range leavings {
			t.Run(u.name+"/"+l.name, func(t *testing.T) {
				want := l.want
				if want == 0 {
					want = u.want
				}
				prepare := func(p *dialoguetest.Port) {
					stock(t, p, locked("black-3"))
					u.change(t, p.Key("bad"))
				}
				script := "when present/insert: insert black-1\nonce present/next: insert bad\n" + fmt.Sprintf(l.script, u.told)
				open(t, script, prepare, func(t *testing.T, o *office) {
					secret, err := o.desk.Present(t.Context(), co)
					told := (*command.Error)(nil)
					if !errors.Is(err, want) || !errors.As(err, &told) || told.Cause == "" || len(secret) > 0 {
						t.Errorf("%v, want %v with a cause", err, want)
					}
					if l.want == 0 && told.Hint == "" {
						t.Errorf("%v: no hint", err)
					}
					forgotten(t, o.Bench)
				})
			})
		}
	}
}

// A host that gives up knows why.
func TestAHostThatGivesUpIsToldOnlyThat(t *testing.T) {
	prepare := func(p *dialoguetest.Port) { stock(t, p, nil) }
	open(t, "when present/insert: insert red-1\nwhen read/other-kind: wait", prepare, func(t *testing.T, o *office) {
		ctx, giveUp := context.WithTimeout(t.Context(), 10*time.Second)
		defer giveUp()
		if _, err := o.desk.Present(ctx, so); !errors.Is(err, command.StatusFunctionCanceled) {
			t.Errorf("%v, want %v", err, command.StatusFunctionCanceled)
		}
	})
}
