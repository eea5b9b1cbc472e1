package policy

import "usbhsm7/firmware/command"

// ID is the number of a capability and of its policy.
type ID = uint8

// Direction says which changes of a policy destroy what is stored.
type Direction uint8

// Directions.
const (
	Harmless Direction = 0
	TurnOff  Direction = 1 // from 1 to 0
	TurnOn   Direction = 2 // from 0 to 1
	Both     Direction = TurnOff | TurnOn
)

// String returns "no", "on→off", "off→on" or "both".
func (d Direction) String() string { return [...]string{"no", "on→off", "off→on", "both"}[d&Both] }

// Basis says what a row rests on.
type Basis string

// Bases. Their order is that of trust.
const (
	Published  Basis = "published"  // stated by Thales
	ThirdParty Basis = "reported"   // stated by others who have the product
	Inferred   Basis = "inferred"   // follows from what is published
	Recalled   Basis = "remembered" // from memory of the documentation, not checked
	FromImage  Basis = "firmware"   // brought by a firmware update
)

// Policy is one row of a table: a capability and its policy.
type Policy struct {
	ID         ID
	Name       string
	Capability uint16 // the most that a switch can be set to; of a number, the value
	Default    uint16 // of the policy as delivered
	// Least and Most bound the policy. Both are 0 for a capability without a
	// policy, which cannot be changed.
	Least, Most uint16
	Destroys    Direction
	// Under is the HSM policy that must be on for this partition policy to be
	// on; 0 means none.
	Under ID
	// Excludes is the policy of the same table that cannot be on together with
	// this one; 0 means none.
	Excludes ID
	Quorum   bool   // only with quorum authentication
	Basis    Basis  // of the numbers
	Effect   string // what changes when it changes; "" = nothing here
}

// Changeable reports whether the row has a policy.
func (p *Policy) Changeable() bool { return p.Most > 0 }

// A Table holds the policies of the HSM or of the partition, in ascending order.
type Table []Policy

// Lookup returns the row of id, or nil.
func (t Table) Lookup(id ID) *Policy {
	for i := range t {
		if t[i].ID == id {
			return &t[i]
		}
	}
	return nil
}

// Values are the policies in force, by ID. The values of capabilities without a
// policy are those of the capability.
type Values [64]uint16

// On reports whether a switch is on.
func (v *Values) On(id ID) bool { return v[id] != 0 }

// Defaults returns the values of a table as delivered.
func (t Table) Defaults() (v Values) {
	for i := range t {
		v[t[i].ID] = t[i].Default
		if !t[i].Changeable() {
			v[t[i].ID] = t[i].Capability
		}
	}
	return v
}

// Setting is a policy and its value, as in a request or a template.
type Setting = command.PolicySetting

// Request asks for changes that are made together or not at all.
type Request struct {
	Settings    []Setting
	Destructive bool // destroying what is stored is what the caller wants
	Empty       bool // nothing is stored, so that no change destroys
	Quorum      bool // the HSM uses quorum authentication
	// Above are the HSM's values, for a change of partition policies.
	Above *Values
}

// Change returns the values after a request, and whether what is stored has to
// be destroyed with the change. Errors are *command.Error:
//
//	StatusPolicyIDInvalid        there is no such policy
//	StatusPolicyNotFound         a capability without a policy
//	StatusPolicyValueInvalid     no value for this policy
//	StatusPolicyChangeIllegal    less restrictive than the capability or the authentication
//	StatusPolicyDependency       another policy stands against it
//	StatusPolicyDestructive      the change destroys, and that was not asked for
//	StatusPolicyNotDestructive   destruction was asked for, and nothing destroys
func (t Table) Change(now Values, r Request) (next Values, destroys bool, err error) {
	next = now
	for _, s := range r.Settings {
		p := t.Lookup(s.ID)
		if err := p.admits(s, &r); err != nil {
			return now, false, err
		}
		destroys = destroys || !r.Empty && p.destroys(now[s.ID], s.Value)
		next[s.ID] = s.Value
	}
	if err := t.depend(&next, &r); err != nil {
		return now, false, err
	}
	switch {
	case destroys && !r.Destructive:
		return now, false, command.StatusPolicyDestructive.With("the change destroys what is stored", "ask for it as a destructive change")
	case r.Destructive && !destroys:
		return now, false, command.StatusPolicyNotDestructive.With("the change destroys nothing", "ask for it as an ordinary change")
	}
	return next, destroys, nil
}

// admits checks one setting by itself.
func (p *Policy) admits(s Setting, r *Request) error {
	switch {
	case p == nil:
		return command.StatusPolicyIDInvalid.Withf("there is no policy %d", s.ID)
	case !p.Changeable():
		return command.StatusPolicyNotFound.Withf("%d (%s) is a capability without a policy", p.ID, p.Name)
	case p.isSwitch() && s.Value <= 1 && s.Value > p.Capability:
		return command.StatusPolicyChangeIllegal.Withf("this model cannot do %d (%s)", p.ID, p.Name)
	case s.Value < p.Least || s.Value > p.Most:
		return command.StatusPolicyValueInvalid.Withf("policy %d (%s) takes %d to %d", p.ID, p.Name, p.Least, p.Most)
	case p.Quorum && s.Value != 0 && !r.Quorum:
		return command.StatusPolicyChangeIllegal.Withf("policy %d (%s) needs quorum authentication", p.ID, p.Name)
	}
	return nil
}

func (p *Policy) isSwitch() bool { return p.Most == 1 }

func (p *Policy) destroys(from, to uint16) bool {
	switch {
	case from == to || !p.isSwitch():
		return false
	case to > from:
		return p.Destroys&TurnOn != 0
	}
	return p.Destroys&TurnOff != 0
}

// depend checks the policies against each other as they will be.
func (t Table) depend(next *Values, r *Request) error {
	for _, s := range r.Settings {
		if p := t.Lookup(s.ID); p.Under != 0 && s.Value != 0 && r.Above != nil && !r.Above.On(p.Under) {
			return command.StatusPolicyDependency.Withf("HSM policy %d must be on for partition policy %d (%s)", p.Under, p.ID, p.Name)
		}
	}
	for i := range t {
		if p := &t[i]; p.Excludes != 0 && next.On(p.ID) && next.On(p.Excludes) {
			return command.StatusPolicyDependency.Withf("policies %d and %d cannot both be on", p.ID, p.Excludes)
		}
	}
	return nil
}

// Under returns the values v of a partition in force: what an HSM policy forbids
// is off, whatever the partition's own policy says.
func (t Table) Under(v Values, hsm *Values) Values {
	for i := range t {
		if p := &t[i]; p.Under != 0 && !hsm.On(p.Under) {
			v[p.ID] = 0
		}
	}
	return v
}

// Settings returns the values of the policies in t, ascending: what is stored,
// so that a firmware with more policies starts the new ones at their defaults.
func (t Table) Settings(v *Values) []Setting {
	var list []Setting
	for i := range t {
		if t[i].Changeable() {
			list = append(list, Setting{ID: t[i].ID, Value: v[t[i].ID]})
		}
	}
	return list
}

// Load is the inverse of Settings. Policies that t does not have are left out.
func (t Table) Load(list []Setting) Values {
	v := t.Defaults()
	for _, s := range list {
		if p := t.Lookup(s.ID); p != nil && p.Changeable() {
			v[s.ID] = s.Value
		}
	}
	return v
}
