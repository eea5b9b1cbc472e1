package command

// Requests and responses about roles and how they authenticate. A secret that is
// on iKeys is in none of them: it goes from the key to the device.

// LoginRequest logs a role in. As in PKCS#11, all sessions that this host has
// with the slot share the login. The keyset of a role that has one is presented at
// the device, unless the role is activated.
type LoginRequest struct {
	Role     Role   `cbor:"1,keyasint"`
	Password []byte `cbor:"2,keyasint,omitempty"` // or the challenge secret of a role that has one
}

// RoleInitRequest sets the first password of a role: of co by po, of lco and cu
// by co, of administrator by so, and of auditor by anyone while it has none. With
// quorum authentication a keyset is made at the device instead.
type RoleInitRequest struct {
	Role     Role   `cbor:"1,keyasint"`
	Password []byte `cbor:"2,keyasint,omitempty"`
}

// RoleResetRequest gives a role that has a password another one and all its
// attempts: of co by po if HSM policy 15 is on, of lco and cu by co, and of
// administrator by so. With quorum authentication a keyset is made at the device
// instead; the challenge secret is forgotten.
type RoleResetRequest struct {
	Role     Role   `cbor:"1,keyasint"`
	Password []byte `cbor:"2,keyasint,omitempty"`
}

// ChangePasswordRequest changes the password of the role that is logged in. Of a
// role that has a keyset it changes the challenge secret; and the keyset, at the
// device, if both are absent.
type ChangePasswordRequest struct {
	Old []byte `cbor:"1,keyasint,omitempty"`
	New []byte `cbor:"2,keyasint,omitempty"`
}

// RoleCreateChallengeRequest gives a role with a keyset a challenge secret, which
// it must send to log in from then on: co gets it from po, lco and cu from co.
type RoleCreateChallengeRequest struct {
	Role   Role   `cbor:"1,keyasint"`
	Secret []byte `cbor:"2,keyasint,omitempty"` // as a password; absent: the device makes one and shows it on its screen
}

// RoleDeactivateRequest has a role present its keyset again at its next login.
type RoleDeactivateRequest struct {
	Role Role `cbor:"1,keyasint"`
}

// RoleStateRequest asks about a role of the frame's session's slot.
type RoleStateRequest struct {
	Role Role `cbor:"1,keyasint"`
}

// RoleStateResponse is what anyone may know of a role.
type RoleStateResponse struct {
	Initialised  bool `cbor:"1,keyasint" json:"initialised"`
	Locked       bool `cbor:"2,keyasint" json:"locked"`
	AttemptsLeft uint `cbor:"3,keyasint" json:"attempts_left"`
	LoggedIn     bool `cbor:"4,keyasint" json:"logged_in"`
	ChangeDue    bool `cbor:"5,keyasint" json:"change_due"` // the password was set by another role

	Primary      AuthMethod `cbor:"6,keyasint,omitempty" json:"primary"`       // what the role logs in with
	Secondary    AuthMethod `cbor:"7,keyasint,omitempty" json:"secondary"`     // and besides: a password if it has a challenge secret
	Activated    bool       `cbor:"8,keyasint,omitempty" json:"activated"`     // the challenge secret is enough
	ChallengeDue bool       `cbor:"9,keyasint,omitempty" json:"challenge_due"` // the challenge secret was set by another role
}
