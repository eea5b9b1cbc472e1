package dialogue

import (
	"fmt"
	"io"

	"usbhsm7/ikey"
	"usbhsm7/ikey/share"
	"usbhsm7/touchscreen"
)

const (
	stReuse  state = "reuse?"
	stTake   state = "take the set"
	stSplit  state = "M of N?"
	stM      state = "M"
	stN      state = "N"
	stDeal   state = "deal"
	stWrite  state = "write"
	stTurn   state = "next of the set"
	stCopies state = "duplicate?"
	stAgain  state = "again"
)

// createTable makes the keyset of a subject.
var createTable = table{
	name:  "create",
	about: "Makes the keyset of a role or a domain, or takes one that exists. The HSM has the secret only when every iKey is written.",
	steps: []step{
		{state: stReuse, show: "create/reuse"},
		{state: stTake, work: func(t *talk) event { return t.run(&presentTable) }, does: "the dialogue present"},
		{state: stSplit, work: (*talk).mayDivide, does: "see whether HSM policy 37 allows M of N; without it one iKey holds the secret"},
		{state: stM, show: "create/m", take: func(t *talk, a touchscreen.Answer) event { t.m = a.Number; return evGiven }},
		{state: stN, show: "create/n", take: func(t *talk, a touchscreen.Answer) event { t.n = a.Number; return evGiven }},
		{state: stDeal, work: (*talk).deal, does: "make a secret and divide it"},
		{state: stWrite, work: func(t *talk) event { return t.run(&writeTable) }, does: "the dialogue write"},
		{state: stTurn, work: (*talk).turn, does: "see whether another iKey of the set is to be written"},
		{state: stCopies, show: "create/duplicate"},
		{state: stAgain, work: (*talk).again, does: "begin with the first iKey of the set"},
	},
	moves: append([]move{
		{stReuse, evYes, stTake},
		{stReuse, evNo, stSplit},
		{stTake, evDone, endDone},
		{stSplit, evYes, stM},
		{stSplit, evNo, stDeal},
		{stM, evGiven, stN},
		{stN, evGiven, stDeal},
		{stDeal, evDone, stWrite},
		{stWrite, evDone, stTurn},
		{stTurn, evMore, stWrite},
		{stTurn, evWhole, stCopies},
		{stCopies, evYes, stAgain},
		{stCopies, evNo, endDone},
		{stAgain, evDone, stWrite},
	}, leave...),
}

// mayDivide reports whether the secret may be divided among several keys.
func (t *talk) mayDivide() event {
	if t.subject.Single {
		t.m, t.n = 1, 1
		return evNo
	}
	return evYes
}

// deal makes a secret and what is to be written on the keys of its set.
func (t *talk) deal() event {
	t.secret = make([]byte, ikey.SecretSize)
	if _, err := io.ReadFull(t.entropy, t.secret); err != nil {
		t.err = fmt.Errorf("make a secret: %w", err)
		return evFailed
	}
	keys, err := share.Make(share.Plan{Kind: t.kind, M: t.m, N: t.n}, t.secret, t.entropy)
	if err != nil {
		t.err = err
		return evFailed
	}
	t.keys = keys
	return evDone
}

// turn goes on to the next key of the set.
func (t *talk) turn() event {
	t.at++
	if t.at < len(t.keys) {
		return evMore
	}
	t.copies++
	return evWhole
}

func (t *talk) again() event {
	t.at = 0
	return evDone
}
