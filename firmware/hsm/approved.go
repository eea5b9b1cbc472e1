package hsm

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/policy"
)

// policed lists what partition policies that are off forbid.
var policed = []struct {
	policy     policy.ID
	mechanisms []command.MechanismType
	uses       command.Use
}{
	{policy.RawRSA, []command.MechanismType{command.MechRSAX509}, ^command.Use(0)},
	{
		policy.RSAPKCS,
		[]command.MechanismType{command.MechRSAPKCS},
		command.UseEncrypt | command.UseDecrypt | command.UseWrap | command.UseUnwrap,
	},
	{
		policy.CBCPadAnySize,
		[]command.MechanismType{command.MechAESCBCPad, command.MechDES3CBCPad},
		command.UseWrap | command.UseUnwrap,
	},
}

// prehashed are the mechanisms that verify signatures over a hash made outside,
// which partition policy 45 permits in the FIPS configuration.
var prehashed = []command.MechanismType{command.MechECDSA, command.MechRSAPKCS, command.MechRSAPKCSPSS}

// usable is what may be done with a mechanism now.
type usable struct {
	uses command.Use
	bits uint // least key size
}

// usables has an entry for each row of command.MechanismTable.
type usables []usable

// usables says what the policies leave of the mechanisms, which is what it was if
// they are what they were.
func (p *policies) usables(was policies, f *Firmware) usables {
	if was.usable != nil && was.partition == p.partition {
		return was.usable
	}
	list := make(usables, len(command.MechanismTable))
	for i, row := range command.MechanismTable {
		if !f.permits(row.Type) {
			continue
		}
		list[i] = usable{row.Uses, row.MinBits}
		if !p.partition.On(policy.PartitionNonFIPS) {
			list[i] = approved(row, p.partition.On(policy.PrehashSigVer))
		}
		for _, rule := range policed {
			for _, m := range rule.mechanisms {
				if m == row.Type && !p.partition.On(rule.policy) {
					list[i].uses &^= rule.uses
				}
			}
		}
	}
	return list
}

// approved says what the FIPS configuration leaves of a mechanism. Keys, curves
// and parameters are checked when it is used.
func approved(row command.MechanismRow, prehash bool) usable {
	u := usable{0, row.MinBits}
	for use := command.Use(1); use <= row.Uses; use <<= 1 {
		if row.Uses&use != 0 && row.ApprovedFor(use, row.MaxBits) {
			u.uses |= use
		}
	}
	if u.uses&^row.Legacy != 0 {
		u.bits = max(row.MinBits, row.ApprovedBits)
	}
	for _, m := range prehashed {
		if m == row.Type && !prehash {
			u.uses &^= command.UseVerify
		}
	}
	return u
}

// mechanism returns the row of a mechanism if it is for a use, and the policies
// permit that.
func (c *call) mechanism(m *command.Mechanism, use command.Use) (command.MechanismRow, error) {
	row, place, ok := command.FindMechanism(m.Type)
	if !ok || row.Uses&use == 0 {
		return row, command.StatusMechanismInvalid.Withf("%s is not a mechanism for this command", m.Type)
	}
	if c.usables()[place].uses&use == 0 {
		return row, command.StatusMechanismInvalid.With(fmt.Sprintf("the policies do not permit %s for this", m.Type), "mechanisms lists what they permit")
	}
	return row, nil
}

// usables returns what may be done now. Slot 1 knows the policies of the HSM
// only, and no key.
func (c *call) usables() usables { return c.hsm.state.Load().policies.usable }

// fits checks a key for a use of a mechanism.
func (c *call) fits(key *mech.Key, m *command.Mechanism, row command.MechanismRow, use command.Use) error {
	if key.Bits < row.MinBits || key.Bits > row.MaxBits {
		return command.StatusKeySizeRange.Withf("%s takes keys of %d to %d bits", m.Type, row.MinBits, row.MaxBits)
	}
	if c.allows(policy.PartitionNonFIPS) {
		return nil
	}
	if err := c.fitsBits(key.Bits, row, use); err != nil {
		return err
	}
	switch {
	case !mech.Approved(key, m, use):
		return command.StatusMechanismInvalid.With("the FIPS configuration does not permit this key or this parameter", "")
	case use&(command.UseEncrypt|command.UseWrap) != 0 && m.Type == command.MechAESGCM && m.IV != nil:
		return command.StatusMechanismParamInvalid.With("in the FIPS configuration the device chooses the nonce", "leave iv out")
	}
	return nil
}

// fitsBits checks the size of a key for the FIPS configuration.
func (c *call) fitsBits(bits uint, row command.MechanismRow, use command.Use) error {
	if !c.allows(policy.PartitionNonFIPS) && !row.ApprovedFor(use, bits) {
		return command.StatusKeySizeRange.With("the FIPS configuration does not permit a key of this size", "")
	}
	return nil
}
