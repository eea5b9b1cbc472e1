package hsm

import (
	"usbhsm7/firmware/command"
)

// authorise checks that the command works at present, and the call against its
// row: session, slot, presence of the
// partition, role, and last that a read-only session does not write.
func (c *call) authorise(handle uint32) error {
	if err := c.hsm.convertInTime(); err != nil {
		return err
	}
	if err := c.hsm.state.Load().admits(c.row.Code); err != nil {
		return err
	}
	if c.row.Need == command.NeedNothing {
		if handle != 0 {
			return command.StatusSessionHandleInvalid.With("the command takes no session", "")
		}
		return nil
	}
	s, ok := c.host.sessions.Load(handle)
	if !ok {
		return noSession()
	}
	c.session = s.(*session)
	if err := c.needs(); err != nil {
		return err
	}
	c.login = c.host.logins[c.session.slot].Load()
	if err := c.permits(); err != nil {
		return err
	}
	if c.row.Write && c.session.readOnly {
		return readOnly()
	}
	return nil
}

// permits checks the role. One whose password or challenge secret another role has
// set may do what anyone may, and change it.
func (c *call) permits() error {
	switch due := c.login != nil && c.login.changeDue; {
	case c.row.Roles.Has(c.role()), due && c.row.Code == command.CodeChangePassword:
		return nil
	case due && c.row.Roles.Has(c.login.role):
		return command.StatusPINExpired.With("a password or challenge secret that another role has set is for changing it only", "change it")
	}
	return notLoggedIn()
}

// needs checks that the session is with the right slot and that the slot has
// what the row asks for.
func (c *call) needs() error {
	partition := c.hsm.state.Load().partition.State
	slot := c.session.slot
	switch c.row.Need {
	case command.NeedAdmin:
		if slot != command.SlotAdmin {
			return wrongSlot()
		}
	case command.NeedPartition, command.NeedInitialised:
		if slot != command.SlotPartition {
			return wrongSlot()
		}
		if partition == command.PartitionAbsent {
			return command.StatusTokenNotPresent.With("there is no partition", "the HSM SO creates it")
		}
		if c.row.Need == command.NeedInitialised && partition != command.PartitionInitialised {
			return command.StatusTokenNotPresent.With("the partition is not initialised", "initialise it first")
		}
	}
	return nil
}

// stands tells whether the call is still authorised as it was; the HSM's mu is
// held, so that it stays so.
func (c *call) stands() error {
	if c.host.gone.Load() {
		return command.StatusFunctionCanceled.With("the link was closed", "")
	}
	if err := c.hsm.state.Load().admits(c.row.Code); err != nil || c.session == nil {
		return err
	}
	switch {
	case c.session.closed.Load():
		return noSession()
	case c.host.logins[c.session.slot].Load() != c.login:
		return command.StatusUserNotLoggedIn.With("the login changed while the command ran", "log in again")
	}
	return nil
}

func noSession() error {
	return command.StatusSessionHandleInvalid.With("there is no such session", "open one")
}

func wrongSlot() error {
	return command.StatusSessionHandleInvalid.With("the session is with the other slot",
		"the HSM is slot 1, the partition slot 0")
}

func notLoggedIn() error {
	return command.StatusUserNotLoggedIn.With("the role that may do this is not logged in", "log in first")
}

func readOnly() error {
	return command.StatusSessionReadOnly.With("the session is read-only", "open a read-write session")
}
