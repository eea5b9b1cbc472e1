package dialogue_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/dialogue/dialoguetest"
	"usbhsm7/ikey"
)

// subset is some of the keys of a keyset, by index from 1, in the order in which
// they are presented.
type subset struct {
	m, n int
	keys []int
}

// upTo8 are all sets of M or fewer keys, for every M and every N up to 8.
func upTo8() (all []subset) {
	for n := 1; n <= 8; n++ {
		for m := 1; m <= n; m++ {
			for bits := 1; bits < 1<<n; bits++ {
				s := subset{m: m, n: n}
				for i := range n {
					if bits>>i&1 == 1 {
						s.keys = append(s.keys, i+1)
					}
				}
				if len(s.keys) <= m {
					all = append(all, s)
				}
			}
		}
	}
	return all
}

// upTo16 are some sets of keys of larger keysets, in any order: half of them lack
// one key.
func upTo16(r *rand.Rand) (all []subset) {
	for n := 9; n <= ikey.MaxKeys; n++ {
		for m := 2; m <= n; m++ {
			for _, size := range []int{m - 1, m} {
				keys := r.Perm(n)[:size]
				for i := range keys {
					keys[i]++
				}
				all = append(all, subset{m, n, keys})
			}
		}
	}
	return all
}

// script has a person present the keys of the set. Before each but the first they
// try one of another keyset, one of another version and the first one again, all of
// which the device tells them of. In the end they run out of keys.
func (s subset) script() string {
	var b strings.Builder
	fmt.Fprintf(&b, "when present/insert: insert key-%d\nwhen present/next: insert other\nwhen present/other-set: insert old\nwhen read/other-version: insert key-%d\n", s.keys[0], s.keys[0])
	for _, i := range s.keys[1:] {
		fmt.Fprintf(&b, "once present/same-key: insert key-%d\n", i)
	}
	b.WriteString("when present/same-key: wait\n")
	return b.String()
}

// TestFewerKeysThanMOpenNothing has every set of keys presented to the device,
// mixed with what does not belong to it. It opens with the M-th and never before.
func TestFewerKeysThanMOpenNothing(t *testing.T) {
	all := append(upTo8(), upTo16(rand.New(entropy()))...)
	if testing.Short() {
		rand.New(entropy()).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:len(all)/8]
	}
	for _, s := range all {
		prepare := func(p *dialoguetest.Port) {
			for i, c := range keyset(t, ikey.User, s.m, s.n, 1) {
				p.Key(fmt.Sprintf("key-%d", i+1)).Contents = c
			}
			p.Key("other").Contents = keyset(t, ikey.User, s.m, s.n, 2)[s.keys[0]-1] // of another device, say
			p.Key("old").Contents, p.Key("old").Unread = keyset(t, ikey.User, s.m, s.n, 1)[s.n-1], ikey.ErrVersion
		}
		open(t, s.script(), prepare, func(t *testing.T, o *office) {
			secret, err := o.desk.Present(t.Context(), co)
			if len(s.keys) == s.m {
				if err != nil || !bytes.Equal(secret, bytes.Repeat([]byte{1}, ikey.SecretSize)) {
					t.Errorf("%d of %d, keys %v: %d bytes, %v", s.m, s.n, s.keys, len(secret), err)
				}
			} else if len(secret) > 0 || !errors.Is(err, command.StatusVectorDuplicate) {
				t.Errorf("%d of %d, keys %v: %d bytes, %v", s.m, s.n, s.keys, len(secret), err)
			}
			forgotten(t, o.Bench)
		})
	}
}
