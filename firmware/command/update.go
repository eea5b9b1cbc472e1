package command

// UpdateRequest begins to update the firmware, or asks what would stand against it.
type UpdateRequest struct {
	Head     []byte `cbor:"1,keyasint"` // of the update file: all of it before the first chunk
	Authcode []byte `cbor:"2,keyasint"` // 12 bytes; empty only to ask
	Client   string `cbor:"3,keyasint"` // version of the host's software, such as 1.0.0
}

// UpdatePlanResponse tells what an update would do.
type UpdatePlanResponse struct {
	Checks  []UpdateCheck `cbor:"1,keyasint" json:"checks"`  // in the order in which update-begin makes them; one that fails refuses the update
	Running string        `cbor:"2,keyasint" json:"running"` // version of the firmware that runs
	Version string        `cbor:"3,keyasint" json:"version"` // version that the update brings; empty if the head is not genuine
	Chunks  uint          `cbor:"4,keyasint" json:"chunks"`  // of the file
	Missing uint          `cbor:"5,keyasint" json:"missing"` // of these, those that the host would have to send
}

// UpdateCheck is one condition of an update.
type UpdateCheck struct {
	Name   string `cbor:"1,keyasint" json:"name"`
	Status Status `cbor:"2,keyasint" json:"status"`                     // that update-begin would refuse with; 0: fulfilled
	Detail string `cbor:"3,keyasint,omitempty" json:"detail,omitempty"` // what was found
}

// UpdateChunkRequest has chunks of the update file, as they stand there.
type UpdateChunkRequest struct {
	Index uint   `cbor:"1,keyasint"` // of the first, from 0
	Data  []byte `cbor:"2,keyasint"` // one chunk, or several in a row
}

// UpdateStatus tells about the firmware, and about an update that is under way.
type UpdateStatus struct {
	State    UpdateState   `cbor:"1,keyasint" json:"state"`
	Last     UpdateOutcome `cbor:"2,keyasint" json:"last"`
	Running  string        `cbor:"3,keyasint" json:"running"`                      // version of the firmware that runs
	Rollback string        `cbor:"4,keyasint,omitempty" json:"rollback,omitempty"` // version to go back to; empty: none
	Security uint32        `cbor:"5,keyasint" json:"security"`                     // highest security version that ever ran well
	Floor    uint32        `cbor:"6,keyasint" json:"floor"`                        // lowest security version that the HSM SO allows
	Incoming string        `cbor:"7,keyasint,omitempty" json:"incoming,omitempty"` // version that the update brings; empty: no update
	ID       []byte        `cbor:"8,keyasint,omitempty" json:"id,omitempty"`       // of the update: SHA-256 of its manifest
	Chunks   uint          `cbor:"9,keyasint,omitempty" json:"chunks,omitempty"`   // of the file
	Missing  []uint        `cbor:"10,keyasint,omitempty" json:"missing,omitempty"` // chunks that the host still has to send, ascending; 1,024 at most
	Lost     string        `cbor:"11,keyasint,omitempty" json:"lost,omitempty"`    // version of firmware that has decayed, and waits for an update; empty: none
}

// UpdateState is how far an update has got.
type UpdateState uint8

// States of an update.
const (
	UpdateIdle        UpdateState = 0 // there is none
	UpdateReceiving   UpdateState = 1 // chunks are coming
	UpdateStaged      UpdateState = 2 // all are here, and verified
	UpdateTrial       UpdateState = 3 // the new firmware has not run well yet
	UpdateRollingBack UpdateState = 4 // the firmware before comes back at the next power-on
)

// String returns the state for people.
func (s UpdateState) String() string {
	return nameOr([]string{"none", "receiving", "staged", "on trial", "rolling back"}, int(s))
}

// UpdateOutcome is how the last change of the firmware ended.
type UpdateOutcome uint8

// Outcomes.
const (
	UpdateNever      UpdateOutcome = 0 // the firmware is that of delivery
	UpdateDone       UpdateOutcome = 1
	UpdateFellBack   UpdateOutcome = 2 // the new firmware did not run well: the one before is back
	UpdateRolledBack UpdateOutcome = 3 // the HSM SO went back
	UpdateDecayed    UpdateOutcome = 4 // firmware had decayed in the flash: other firmware runs
)

// String returns the outcome for people.
func (o UpdateOutcome) String() string {
	return nameOr([]string{"never", "updated", "fell back", "rolled back", "decayed"}, int(o))
}

func nameOr(names []string, i int) string {
	if i >= len(names) {
		return "unknown"
	}
	return names[i]
}

// UpdateFloorRequest sets the lowest security version of firmware that the HSM SO
// still allows. It never falls.
type UpdateFloorRequest struct {
	Security uint32 `cbor:"1,keyasint"`
}

// UpdateCapabilityRequest has a capability update, whole.
type UpdateCapabilityRequest struct {
	File     []byte `cbor:"1,keyasint"` // at most 65,536 bytes
	Authcode []byte `cbor:"2,keyasint"` // 12 bytes
	Client   string `cbor:"3,keyasint"` // version of the host's software, such as 1.0.0
}

// LicencesResponse lists what capability updates have brought.
type LicencesResponse struct {
	Licences []LicenceInfo `cbor:"1,keyasint" json:"licences"` // in the order in which they came
}

// LicenceInfo is one licence.
type LicenceInfo struct {
	ID   uint32 `cbor:"1,keyasint" json:"id"`
	Name string `cbor:"2,keyasint" json:"name"`
}
