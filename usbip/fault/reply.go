package fault

import (
	"errors"
	"fmt"
)

// Faults of replies: what a server must never do. A Linux host drops the device,
// or its kernel comes to harm; they exist to show that our own client notices.
// Only Import plays them.

// Reply is a fault of the reply to a SUBMIT.
type Reply uint8

// Faults of replies.
const (
	Lose           Reply = iota // it does not come, and an UNLINK is told that it did
	Duplicate                   // it comes twice
	WrongNumber                 // it has the number of no SUBMIT
	Overlong                    // to an IN transfer: more data than was asked for
	OutPayload                  // to an OUT transfer: it carries data
	NegativeLength              // it says that fewer than no bytes moved
	PositiveStatus              // it has a status that is no error number
	UnknownMessage              // it is a message that does not exist
	Truncate                    // it breaks off, and the connection with it
)

var replyNames = [...]string{
	Lose: "lose", Duplicate: "duplicate", WrongNumber: "wrong-number", Overlong: "overlong", OutPayload: "out-payload",
	NegativeLength: "negative-length", PositiveStatus: "positive-status",
	UnknownMessage: "unknown-message", Truncate: "truncate",
}

// String returns the fault as a script spells it.
func (f Reply) String() string {
	if int(f) < len(replyNames) {
		return replyNames[f]
	}
	return fmt.Sprintf("reply fault %d", uint8(f))
}

func (f Reply) check() error {
	if int(f) < len(replyNames) {
		return nil
	}
	return errors.New("there is no such fault")
}

func (Reply) place() place { return onReplies }
