package policies

import (
	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
)

// clerk is a verifier that remembers what it has found out about heads.
type clerk struct {
	boot.Verifier
	opened map[string]verdict // by head
	denied map[denial]error
}

type verdict struct {
	update *fuf.Update
	err    error
}

type denial struct {
	id   fuf.Digest
	code fuf.Authcode
}

func newClerk(v boot.Verifier) *clerk {
	return &clerk{v, map[string]verdict{}, map[denial]error{}}
}

// Open implements boot.Verifier.
func (c *clerk) Open(head []byte) (*fuf.Update, error) {
	v, ok := c.opened[string(head)]
	if !ok {
		v.update, v.err = c.Verifier.Open(head)
		c.opened[string(head)] = v
	}
	return v.update, v.err
}

// Unlock implements boot.Verifier. Only refusals are remembered: a key is wiped by who
// has it.
func (c *clerk) Unlock(u *fuf.Update, code fuf.Authcode) (*fuf.Key, error) {
	this := denial{u.ID(), code}
	if err := c.denied[this]; err != nil {
		return nil, err
	}
	key, err := c.Verifier.Unlock(u, code)
	if err != nil {
		c.denied[this] = err
	}
	return key, err
}
