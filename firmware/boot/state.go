package boot

import "fmt"

// State is the state of the bootloader. It outlives power cycles.
type State uint8

// The states.
const (
	Idle        State = iota // one firmware, confirmed
	Receiving                // chunks of another one are coming
	Staged                   // it is here completely, and verified
	Trial                    // it runs and has not been confirmed
	RollingBack              // the one before is to run as soon as the HSM's state is erased
	states
)

// String returns the name of the state.
func (s State) String() string {
	names := [...]string{Idle: "idle", Receiving: "receiving", Staged: "staged", Trial: "trial", RollingBack: "rolling back"}
	if s >= states {
		return fmt.Sprintf("state %d", uint8(s))
	}
	return names[s]
}

// Event is what moves the bootloader from state to state.
type Event uint8

// The events.
const (
	EventBegin    Event = iota // a host begins an upload, or goes on with it
	EventChunk                 // a chunk comes
	EventStage                 // the last chunk has come
	EventAbort                 // what was uploaded is given up
	EventActivate              // what is staged is to run at the next power-on
	EventConfirm               // it runs well
	EventFallBack              // it did not: power-on after its last trial, or it has decayed
	EventRollback              // an operator wants the firmware before back
	EventErased                // the HSM's state is erased
	EventFloor                 // an operator raises the floor
	EventDecayed               // what runs has decayed, and the one before may run: at power-on
	events
)

// String returns the name of the event.
func (e Event) String() string {
	names := [...]string{
		EventBegin: "begin", EventChunk: "chunk", EventStage: "stage", EventAbort: "abort", EventActivate: "activate",
		EventConfirm: "confirm", EventFallBack: "fall back", EventRollback: "rollback", EventErased: "erased", EventFloor: "floor",
		EventDecayed: "decayed",
	}
	if e >= events {
		return fmt.Sprintf("event %d", uint8(e))
	}
	return names[e]
}

// Transition says to which state an event leads from another.
type Transition struct {
	From  State
	Event Event
	To    State
}

// Transitions returns all transitions there are. What is not here is refused with
// ErrState.
func Transitions() []Transition {
	return []Transition{
		{Idle, EventBegin, Receiving},
		{Idle, EventRollback, RollingBack},
		{Idle, EventFloor, Idle},
		{Idle, EventDecayed, Idle},
		{Receiving, EventBegin, Receiving},
		{Receiving, EventChunk, Receiving},
		{Receiving, EventStage, Staged},
		{Receiving, EventAbort, Idle},
		{Receiving, EventFloor, Receiving},
		{Receiving, EventDecayed, Receiving},
		{Staged, EventBegin, Receiving},
		{Staged, EventActivate, Trial},
		{Staged, EventAbort, Idle},
		{Staged, EventFloor, Staged},
		{Staged, EventDecayed, Staged},
		{Trial, EventConfirm, Idle},
		{Trial, EventFallBack, Idle},
		{RollingBack, EventErased, Idle},
	}
}

// next returns the state that an event leads to.
func (s State) next(e Event) (State, error) {
	for _, t := range Transitions() {
		if t.From == s && t.Event == e {
			return t.To, nil
		}
	}
	return s, fmt.Errorf("%w: %v while %v", ErrState, e, s)
}

// Outcome is how the last change of the firmware ended.
type Outcome uint8

// The outcomes.
const (
	NoChange   Outcome = iota // as it was made
	Updated                   // the firmware was replaced
	FellBack                  // the new firmware was never confirmed
	RolledBack                // an operator went back
	Decayed                   // firmware that was to run had decayed, and other firmware runs
	outcomes
)

// String returns the name of the outcome.
func (o Outcome) String() string {
	names := [...]string{NoChange: "none", Updated: "updated", FellBack: "fell back", RolledBack: "rolled back", Decayed: "decayed"}
	if o >= outcomes {
		return fmt.Sprintf("outcome %d", uint8(o))
	}
	return names[o]
}
