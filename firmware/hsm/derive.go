package hsm

import (
	"maps"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
)

func (c *call) deriveKey(r *command.DeriveKeyRequest) (*command.ObjectResponse, error) {
	base, err := c.key(r.BaseKey, deriving, &r.Mechanism)
	if err != nil {
		return nil, err
	}
	o, err := c.object(r.BaseKey)
	if err != nil {
		return nil, err
	}
	draft, err := c.secretDraft(r.Template, o)
	if err != nil {
		return nil, err
	}
	value, err := mech.Derive(base, &r.Mechanism, int(min(draft.Length(), mech.MaxDerived+1)))
	if err != nil {
		return nil, err
	}
	return c.secretMade(draft, value)
}

func (c *call) encapsulateKey(r *command.EncapsulateKeyRequest) (*command.EncapsulateKeyResponse, error) {
	key, err := c.key(r.PublicKey, encapsulating, &r.Mechanism)
	if err != nil {
		return nil, err
	}
	draft, err := c.secretDraft(r.Template, nil)
	if err != nil {
		return nil, err
	}
	ciphertext, secret, err := mech.Encapsulate(key, &r.Mechanism, c.hsm.entropy)
	if err != nil {
		return nil, err
	}
	made, err := c.secretMade(draft, secret)
	if err != nil {
		return nil, err
	}
	return &command.EncapsulateKeyResponse{Object: made.Object, Ciphertext: ciphertext}, nil
}

func (c *call) decapsulateKey(r *command.DecapsulateKeyRequest) (*command.ObjectResponse, error) {
	key, err := c.key(r.PrivateKey, decapsulating, &r.Mechanism)
	if err != nil {
		return nil, err
	}
	draft, err := c.secretDraft(r.Template, nil)
	if err != nil {
		return nil, err
	}
	secret, err := mech.Decapsulate(key, &r.Mechanism, r.Ciphertext)
	if err != nil {
		return nil, err
	}
	return c.secretMade(draft, secret)
}

// secretDraft checks the template of a secret key that is made from others: a
// generic secret unless it says what else.
func (c *call) secretDraft(t command.Template, base *object.Object) (object.Draft, error) {
	full := command.Template{command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyGenericSecret}
	maps.Copy(full, t)
	spec, err := object.SpecOf(command.OriginReceive, full)
	if err != nil {
		return object.Draft{}, err
	}
	if spec.Class != command.ClassSecretKey {
		return object.Draft{}, command.StatusTemplateInconsistent.With("only secret keys are made from other keys", "")
	}
	spec.Base = base
	return c.draft(spec, full)
}

// secretMade makes the object of a value, of which it takes as many bytes as the
// template wants.
func (c *call) secretMade(draft object.Draft, value []byte) (*command.ObjectResponse, error) {
	length := draft.Length()
	if length == 0 {
		length = uint64(len(value))
	}
	if length > uint64(len(value)) {
		clear(value)
		return nil, command.StatusKeySizeRange.Withf("the mechanism makes %d bytes", len(value))
	}
	keyType := draft.Uint(command.AttrKeyType)
	if err := mech.SecretLength(keyType, length); err != nil {
		clear(value)
		return nil, err
	}
	clear(value[length:])
	return c.createOne(made{draft: draft, value: mech.Fit(keyType, value[:length])})
}
