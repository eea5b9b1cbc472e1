package hsm

import (
	"fmt"
	"slices"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

// Firmware is what the firmware that runs makes of the HSM.
type Firmware struct {
	Version    string                  // such as 7.9.2
	Lost       string                  // version of other firmware, in the place of which this one waits for an update; empty = none
	DataSchema uint32                  // of the records that it leaves; at most LastDataSchema
	Conversion time.Duration           // how long it takes to convert records of an older one
	HSM        policy.Table            // policies of the HSM
	Partition  policy.Table            // policies of the partition
	Withheld   []command.MechanismType // mechanisms that are built in and that it does not permit
	Modules    []Module                // functional modules that come with it
	Storage    int64                   // room for token objects in bytes; 0 means that of the model
}

// FirstDataSchema and LastDataSchema are the oldest and the latest form of records
// that this program reads.
const (
	FirstDataSchema uint32 = 1
	LastDataSchema  uint32 = 2 // objects are padded
)

// BuiltIn returns the firmware of a model as it is made.
func BuiltIn(m Model) *Firmware {
	return &Firmware{Version: m.Firmware, DataSchema: FirstDataSchema, HSM: policy.HSM, Partition: policy.Partition}
}

// Check reports why the firmware cannot run here, whatever the HSM holds: its data
// schema, a mechanism that is not built in, a table that makes no sense, or a module that
// does not run in runs, where nil means that none does.
func (f *Firmware) Check(runs Modules) error {
	if err := f.checkTables(); err != nil {
		return err
	}
	_, err := f.builtIn(runs)
	return err
}

func (f *Firmware) checkTables() error {
	if f.DataSchema < FirstDataSchema || f.DataSchema > LastDataSchema {
		return fmt.Errorf("firmware %s: data schema %d, not %d to %d", f.Version, f.DataSchema, FirstDataSchema, LastDataSchema)
	}
	for _, m := range f.Withheld {
		if _, _, ok := command.FindMechanism(m); !ok {
			return fmt.Errorf("firmware %s: %v is not built in", f.Version, m)
		}
	}
	for _, t := range []policy.Table{f.HSM, f.Partition} {
		if err := t.Check(); err != nil {
			return fmt.Errorf("firmware %s: %w", f.Version, err)
		}
	}
	return nil
}

// permits reports whether the firmware lets a mechanism be used.
func (f *Firmware) permits(m command.MechanismType) bool { return !slices.Contains(f.Withheld, m) }
