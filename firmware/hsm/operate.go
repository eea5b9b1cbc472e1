package hsm

import (
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
)

// maxRandom bounds one answer with random bytes.
const maxRandom = 65536

// operation is a use of keys: how the mechanism table and the key's
// attributes call it.
type operation struct {
	use       command.Use
	attribute command.AttributeType
}

var (
	signing    = operation{command.UseSign, command.AttrSign}
	verifying  = operation{command.UseVerify, command.AttrVerify}
	encrypting = operation{command.UseEncrypt, command.AttrEncrypt}
	decrypting = operation{command.UseDecrypt, command.AttrDecrypt}
	digesting  = operation{use: command.UseDigest}
	wrapping   = operation{command.UseWrap, command.AttrWrap}
	unwrapping = operation{command.UseUnwrap, command.AttrUnwrap}
	deriving   = operation{command.UseDerive, command.AttrDerive}

	encapsulating = operation{command.UseEncapsulate, command.AttrEncapsulate}
	decapsulating = operation{command.UseDecapsulate, command.AttrDecapsulate}
)

// key returns the key of an object for an operation with a mechanism, which is a
// use: it is counted, and written down if the key has a limit.
func (c *call) key(handle command.Handle, op operation, m *command.Mechanism) (*mech.Key, error) {
	key, o, err := c.usable(handle, op, m)
	if err != nil {
		return nil, err
	}
	c.count(m.Type, op.use)
	return key, c.spend(o)
}

// usable returns the key of an object if the call may use it for an operation
// with a mechanism.
func (c *call) usable(handle command.Handle, op operation, m *command.Mechanism) (*mech.Key, *object.Object, error) {
	row, err := c.mechanism(m, op.use)
	if err != nil {
		return nil, nil, err
	}
	o, err := c.object(handle)
	if err != nil {
		return nil, nil, err
	}
	if err := c.mayUse(o, op); err != nil {
		return nil, nil, err
	}
	key, err := o.Key(op.attribute, row.Keys, m.Type)
	if err != nil {
		return nil, nil, err
	}
	return key, o, c.fits(key, m, row, op.use)
}

func (c *call) sign(r *command.SignRequest) (*command.SignResponse, error) {
	if err := c.idle(command.OperationSign); err != nil {
		return nil, err
	}
	key, err := c.key(r.Key, signing, &r.Mechanism)
	if err != nil {
		return nil, err
	}
	signature, err := mech.Sign(key, &r.Mechanism, r.Data, c.hsm.entropy)
	if err != nil {
		return nil, err
	}
	return &command.SignResponse{Signature: signature}, nil
}

func (c *call) verify(r *command.VerifyRequest) error {
	if err := c.idle(command.OperationVerify); err != nil {
		return err
	}
	key, err := c.key(r.Key, verifying, &r.Mechanism)
	if err != nil {
		return err
	}
	return mech.Verify(key, &r.Mechanism, r.Data, r.Signature)
}

func (c *call) encrypt(r *command.CipherRequest) (*command.CipherResponse, error) {
	if err := c.idle(command.OperationEncrypt); err != nil {
		return nil, err
	}
	key, err := c.key(r.Key, encrypting, &r.Mechanism)
	if err != nil {
		return nil, err
	}
	data, iv, err := mech.Encrypt(key, &r.Mechanism, r.Data, c.hsm.entropy)
	if err != nil {
		return nil, err
	}
	return &command.CipherResponse{Data: data, IV: iv}, nil
}

func (c *call) decrypt(r *command.CipherRequest) (*command.CipherResponse, error) {
	if err := c.idle(command.OperationDecrypt); err != nil {
		return nil, err
	}
	key, err := c.key(r.Key, decrypting, &r.Mechanism)
	if err != nil {
		return nil, err
	}
	data, err := mech.Decrypt(key, &r.Mechanism, r.Data)
	if err != nil {
		return nil, err
	}
	return &command.CipherResponse{Data: data}, nil
}

func (c *call) digest(r *command.DigestRequest) (*command.DigestResponse, error) {
	if err := c.idle(command.OperationDigest); err != nil {
		return nil, err
	}
	if _, err := c.mechanism(&r.Mechanism, command.UseDigest); err != nil {
		return nil, err
	}
	digest, err := mech.Digest(&r.Mechanism, r.Data)
	if err != nil {
		return nil, err
	}
	c.count(r.Mechanism.Type, command.UseDigest)
	return &command.DigestResponse{Digest: digest}, nil
}

func (c *call) random(r *command.RandomRequest) (*command.RandomResponse, error) {
	if r.Length == 0 || r.Length > maxRandom {
		return nil, command.StatusArgumentsBad.Withf("1 to %d random bytes at a time", maxRandom)
	}
	data, err := mech.Random(int(r.Length), c.hsm.entropy)
	if err != nil {
		return nil, err
	}
	return &command.RandomResponse{Data: data}, nil
}
