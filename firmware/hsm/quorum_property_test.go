package hsm_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

// custody is a Crypto Officer with a keyset and a challenge secret, against a model
// of what counts and of when the challenge secret is enough.
type custody struct {
	*crew
	clock  *clock
	left   uint // attempts
	active bool
}

// TestWhateverPeopleDoActivationAndAttemptsAreRight does random things, and wants
// after each the attempts and the activation that the model has.
func TestWhateverPeopleDoActivationAndAttemptsAreRight(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		at := &clock{noon}
		c := &custody{crew: powerOnWithPeopleAt(t, quorum(t).flash, at.read), clock: at, left: 10}
		c.challenge()
		c.setPolicy(policy.Activation, 1, false)
		c.setPolicy(policy.AutoActivation, 1, false)
		rt.Repeat(map[string]func(*rapid.T){
			"log in":              c.right,
			"bring wrong iKeys":   c.strangers,
			"send a wrong secret": c.wrongAnswer,
			"walk away":           c.refuse,
			"change the keyset":   c.rekey,
			"deactivate":          c.deactivate,
			"cut the power":       func(t *rapid.T) { c.away(without.Draw(t, "seconds")) },
			"switch off and wait": func(t *rapid.T) { c.hsm.Close(); c.away(without.Draw(t, "seconds")) },
			"let time pass":       c.wait,
			"tamper":              c.tamperAndClear,
			"":                    c.check,
		})
	})
}

// without is how many seconds the power is away by the clock, which people may set
// back meanwhile. The device knows since when only to within BeatInterval.
var without = rapid.OneOf(rapid.Int64Range(-600, -30), rapid.Int64Range(0, 2*3600-30), rapid.Int64Range(2*3600+1, 3*3600))

func (c *custody) right(*rapid.T) {
	if c.active {
		c.people.Refuse(command.StatusGeneralError.With("nobody is to be asked", ""))
	}
	c.enter(command.StatusOK, command.RoleCO, coChallenge)
	c.people.Refuse(nil)
	c.leave(command.RoleCO)
	c.active, c.left = true, 10
}

func (c *custody) strangers(t *rapid.T) {
	if c.active || c.left == 1 {
		t.Skip("nobody is asked, or it would be the last attempt")
	}
	c.people.Bring("stranger")
	c.enter(command.StatusPINIncorrect, command.RoleCO, coChallenge)
	c.people.Bring("")
	c.left--
}

func (c *custody) wrongAnswer(*rapid.T) {
	c.enter(command.StatusChallengeIncorrect, command.RoleCO, "a wrong one")
	c.enter(command.StatusChallengeInvalid, command.RoleCO, "")
}

func (c *custody) refuse(t *rapid.T) {
	if c.active {
		t.Skip("nobody is asked")
	}
	c.people.Refuse(command.StatusFunctionCanceled.With("the people have left", ""))
	c.enter(command.StatusFunctionCanceled, command.RoleCO, coChallenge)
	c.people.Refuse(nil)
}

// rekey changes the keyset to another one and back.
func (c *custody) rekey(t *rapid.T) {
	c.right(t)
	c.enter(command.StatusOK, command.RoleCO, coChallenge)
	for _, names := range [][2]string{{"", "next"}, {"next", ""}} {
		c.people.Bring(names[0])
		c.people.Make(names[1])
		c.ok(command.CodeChangePassword, c.user, &command.ChangePasswordRequest{}, nil)
	}
	c.people.Bring("")
	c.leave(command.RoleCO)
}

func (c *custody) deactivate(*rapid.T) {
	want := command.StatusOperationRestricted
	if c.active {
		want = command.StatusOK
	}
	c.as(command.RolePO, func() {
		c.do(want, command.CodeRoleDeactivate, c.user, &command.RoleDeactivateRequest{Role: command.RoleCO}, nil)
	})
	c.active = false
}

// away has no power for so long.
func (c *custody) away(seconds int64) {
	c.clock.now = c.clock.now.Add(time.Duration(seconds) * time.Second)
	c.crew = powerOnWithPeopleAt(c.t, c.flash, c.clock.read)
	c.active = c.active && seconds >= 0 && seconds <= 2*3600
}

// wait has power for so long, and somebody who calls Sync.
func (c *custody) wait(t *rapid.T) {
	c.clock.now = c.clock.now.Add(time.Duration(rapid.Int64Range(0, 10*3600).Draw(t, "seconds")) * time.Second)
	if err := c.hsm.Sync(); err != nil {
		t.Fatal(err)
	}
}

func (c *custody) tamperAndClear(*rapid.T) {
	c.tamper(command.TamperOverTemperature)
	c.as(command.RoleSO, func() { c.ok(command.CodeTamperClear, c.admin, nil, nil) })
	c.user = c.open(command.SlotPartition, false)
	c.active = false
}

func (c *custody) check(t *rapid.T) {
	s := c.role(c.user, command.RoleCO)
	if s.Activated != c.active || s.AttemptsLeft != c.left {
		t.Fatalf("activated %v, %d attempts left; want %v, %d", s.Activated, s.AttemptsLeft, c.active, c.left)
	}
}
