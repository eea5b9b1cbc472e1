package boot

// Reason is why the bootloader does not do what it was asked, in every error of
// this package that refuses. Nothing has changed then. Files that are refused for
// what they are carry a fuf.Reason instead.
type Reason string

// The reasons.
const (
	ErrState      Reason = "state"      // not possible now; the error says in which state the bootloader is
	ErrKind       Reason = "kind"       // not what was asked for: firmware, a capability update or a functional module
	ErrTarget     Reason = "target"     // firmware of another product or for other models
	ErrPath       Reason = "path"       // the firmware that runs is none that this one may replace
	ErrBootloader Reason = "bootloader" // needs a later bootloader
	ErrClient     Reason = "client"     // needs a later client
	ErrDowngrade  Reason = "downgrade"  // its security version is below one that was confirmed, or below the floor
	ErrSchema     Reason = "schema"     // cannot read the data that is stored
	ErrTime       Reason = "time"       // not valid yet, or no longer
	ErrPolicies   Reason = "policies"   // a policy is on that must be off
	ErrCapacity   Reason = "capacity"   // too little of the storage is free
	ErrRoom       Reason = "room"       // larger than a slot
	ErrIncomplete Reason = "incomplete" // chunks are missing
	ErrImage      Reason = "image"      // the payload makes no sense, or is not what the manifest says
	ErrUnfit      Reason = "unfit"      // the device would not start in it
	ErrNoRollback Reason = "rollback"   // there is nothing to go back to
	ErrModules    Reason = "modules"    // functional modules were enabled once, so there is no way back
	ErrFloor      Reason = "floor"      // a floor that falls, or that the running firmware is below
)

// Error says for people what the reason is.
func (r Reason) Error() string {
	if meaning, ok := meanings[r]; ok {
		return "bootloader: " + meaning
	}
	return "bootloader: " + string(r)
}

var meanings = map[Reason]string{
	ErrState:      "not possible in this state",
	ErrKind:       "the file is of another kind",
	ErrTarget:     "the firmware is for another product or model",
	ErrPath:       "the firmware cannot replace the one that runs",
	ErrBootloader: "the firmware needs a later bootloader",
	ErrClient:     "the firmware needs a later client",
	ErrDowngrade:  "the security version of the firmware is too old",
	ErrSchema:     "the firmware cannot read the data of this device",
	ErrTime:       "the firmware is not valid at this time",
	ErrPolicies:   "a policy is on that must be off",
	ErrCapacity:   "too little of the storage is free",
	ErrRoom:       "the firmware is too large",
	ErrIncomplete: "the firmware is not here completely",
	ErrImage:      "the payload makes no sense, or is not what the manifest promises",
	ErrUnfit:      "the device would not start in this firmware",
	ErrNoRollback: "there is no firmware to go back to",
	ErrModules:    "functional modules were enabled on this device",
	ErrFloor:      "the floor cannot be set so",
}
