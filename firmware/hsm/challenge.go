package hsm

import (
	"context"
	"errors"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/hsm/vault"
)

// A role that authenticates with iKeys may have a challenge secret besides: a
// password that a host sends, so that an application can log in while the role is
// activated. What it opens is a key that activation seals with.

// errWrongChallenge says that a challenge secret did not open.
var errWrongChallenge = errors.New("wrong challenge secret")

func challengePurpose(r command.Role) string { return "challenge/" + r.String() }

// roleCreateChallenge gives a role a challenge secret.
func (c *call) roleCreateChallenge(r *command.RoleCreateChallengeRequest) error {
	defer clear(r.Secret)
	if err := c.mayChallenge(r.Role); err != nil {
		return err
	}
	text, err := c.newChallenge(r)
	if err != nil {
		return err
	}
	defer clear(text)
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	if err := c.mayChallenge(r.Role); err != nil {
		return err
	}
	key, err := mech.Random(vault.KeySize, c.hsm.entropy)
	if err != nil {
		return err
	}
	defer clear(key)
	challenge, err := auth.Seal(text, key, challengePurpose(r.Role), c.hsm.cost, c.hsm.entropy)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		u.deactivate(r.Role)
		role := &u.state.roles[r.Role]
		role.challenge, role.answerDue = challenge, u.state.policies.hsm.On(policy.ForcePINChange)
		u.after(func() { u.hsm.logOutEverywhere(r.Role) })
		return u.putRole(r.Role)
	})
}

// mayChallenge checks that the role that is logged in may give another one a
// challenge secret.
func (c *call) mayChallenge(role command.Role) error {
	info, err := c.subordinate(role)
	if err != nil {
		return err
	}
	switch c.hsm.state.Load().roles[info.Role].method() {
	case command.AuthNone:
		return uninitialised()
	case command.AuthPassword:
		return command.StatusChallengeRequiresPED.With("the role authenticates with a password", "only roles with iKeys have a challenge secret")
	}
	return nil
}

// newChallenge returns the challenge secret that the host has chosen, or one that
// the device makes and shows.
func (c *call) newChallenge(r *command.RoleCreateChallengeRequest) ([]byte, error) {
	if len(r.Secret) > 0 {
		return r.Secret, c.checkPassword(r.Role, r.Secret)
	}
	random, err := mech.Random(challengeGroups*challengeInGroup, c.hsm.entropy)
	if err != nil {
		return nil, err
	}
	defer clear(random)
	text := spellChallenge(random)
	who := c.hsm.state.Load().subject(r.Role)
	who.Secret = SecretChallenge
	if err = c.checkPassword(r.Role, text); err == nil { // policies may want another length
		err = c.attend(who, func(ctx context.Context, path TrustedPath) error { return path.Reveal(ctx, who, text) })
	}
	if err != nil {
		clear(text)
		return nil, err
	}
	return text, nil
}

// Challenge secrets that the device makes: groups of characters that nobody takes
// for each other, 80 bits in all.
const (
	challengeAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	challengeGroups   = 4
	challengeInGroup  = 4
)

// spellChallenge turns random bytes into characters, five bits of each.
func spellChallenge(random []byte) []byte {
	text := make([]byte, 0, len(random)+challengeGroups)
	for i, b := range random {
		if i > 0 && i%challengeInGroup == 0 {
			text = append(text, '-')
		}
		text = append(text, challengeAlphabet[int(b)%len(challengeAlphabet)])
	}
	return text
}

// changeChallenge has a role choose its challenge secret. The old one is checked as
// in a login. What it opens stays the same, and so does activation.
func (c *call) changeChallenge(role command.Role, r *command.ChangePasswordRequest) error {
	own := c.hsm.state.Load().roles[role]
	if own.challenge == nil {
		return command.StatusChallengeNotRequired.With("the role has no challenge secret", "send no password to change the keyset")
	}
	if err := c.checkChange(role, r); err != nil {
		return err
	}
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	key, err := c.attempt(role, func(s *roleState) ([]byte, error) { return s.answer(role, r.Old) })
	if err != nil {
		return err
	}
	defer clear(key)
	challenge, err := auth.Seal(r.New, key, challengePurpose(role), c.hsm.cost, c.hsm.entropy)
	if err != nil {
		return err
	}
	return c.update(func(u *update) error {
		s := &u.state.roles[role]
		s.challenge, s.answerDue = challenge, false
		u.after(func() { u.hsm.changeDone(role) })
		return u.putRole(role)
	})
}

// answer returns what a challenge secret opens, or errWrongChallenge.
func (r *roleState) answer(role command.Role, text []byte) ([]byte, error) {
	if r.challenge == nil {
		return nil, errWrongChallenge
	}
	key, err := r.challenge.Open(text, challengePurpose(role))
	if errors.Is(err, auth.ErrWrongPassword) {
		err = errWrongChallenge
	}
	return key, err
}

// wrongChallenge returns the refusal of a wrong challenge secret. Unless partition
// policy 15 is off, the attempt is taken back.
func (h *HSM) wrongChallenge(role command.Role) error {
	w := wrong{command.StatusChallengeIncorrect, "the challenge secret is wrong"}
	if !h.state.Load().policies.partition.On(policy.IgnoreChallenges) {
		return h.wrongSecret(role, w)
	}
	err := h.update(func(u *update) error {
		r := &u.state.roles[role]
		if r.attempts--; r.attempts == 0 {
			u.records.Delete(recordAttempts(role))
			return nil
		}
		return u.put(recordAttempts(role), attemptsRecord{r.attempts})
	})
	if err != nil {
		return err
	}
	return w.status.With(w.text, "")
}
