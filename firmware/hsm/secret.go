package hsm

import (
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/vault"
)

// secret is what a role authenticates with: a password, or what its keyset gives.
type secret struct {
	method command.AuthMethod
	bytes  []byte
}

func (s secret) wipe() { clear(s.bytes) }

// method returns what new roles authenticate with: what the HSM was initialised
// for. Before that it is passwords.
func (s *state) method() command.AuthMethod {
	if s.hsm.Method == command.AuthQuorum {
		return command.AuthQuorum
	}
	return command.AuthPassword
}

// method returns what the role authenticates with. That of the Auditor, who
// outlives the initialisation of the HSM, need not be what others have.
func (r *roleState) method() command.AuthMethod {
	switch {
	case r.credential == nil:
		return command.AuthNone
	case r.credential.Cost == auth.Keyset:
		return command.AuthQuorum
	}
	return command.AuthPassword
}

// newSecret returns what a role is to authenticate with: the password that the
// host has given, if it keeps the rules, or what the keyset gives that people make
// at the device. The caller wipes it.
func (c *call) newSecret(m command.AuthMethod, s Subject, given []byte) (secret, error) {
	if m != command.AuthQuorum {
		return secret{m, given}, c.checkPassword(s.Role, given)
	}
	if len(given) > 0 {
		return secret{}, notFromHosts("password")
	}
	made, err := c.makeKeyset(s)
	return secret{m, made}, err
}

// newDomain returns a domain likewise. The caller wipes it.
func (c *call) newDomain(m command.AuthMethod, s Subject, given []byte) ([]byte, error) {
	s.Secret = SecretDomain
	switch {
	case m != command.AuthQuorum:
		return given, nil
	case len(given) > 0:
		return nil, notFromHosts("domain")
	}
	return c.makeKeyset(s)
}

func notFromHosts(what string) error {
	return command.StatusArgumentsBad.With("with quorum authentication a host gives no "+what, "leave it out: it is made with iKeys at the device")
}

// sealRole returns the credential with which a secret opens the key of a role.
func (h *HSM) sealRole(role command.Role, s secret, key []byte) (*auth.Credential, error) {
	cost := h.cost
	if s.method == command.AuthQuorum {
		cost = auth.Keyset
	}
	return auth.Seal(s.bytes, key, recordRole(role), cost, h.entropy)
}

// sealDomain seals a domain, if there is one, under the key of the role that
// owns it.
func (h *HSM) sealDomain(key, domain []byte) ([]byte, error) {
	if len(domain) == 0 {
		return nil, nil
	}
	seal, err := vault.NewSealer(key, h.entropy)
	if err != nil {
		return nil, err
	}
	return seal.Seal("domain", domain)
}
