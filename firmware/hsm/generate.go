package hsm

import (
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
)

func (c *call) generateKey(r *command.GenerateKeyRequest) (*command.ObjectResponse, error) {
	row, err := c.generator(&r.Mechanism, command.ClassSecretKey)
	if err != nil {
		return nil, err
	}
	draft, err := c.draft(c.generated(command.ClassSecretKey, row, r.Template), r.Template)
	if err != nil {
		return nil, err
	}
	if err := c.fitsBits(uint(min(draft.Length(), mech.MaxDerived)*8), row, command.UseGenerate); err != nil {
		return nil, err
	}
	value, err := mech.GenerateSecret(&r.Mechanism, draft.Uint(command.AttrKeyType), draft.Length(), c.hsm.entropy)
	if err != nil {
		return nil, err
	}
	c.count(r.Mechanism.Type, command.UseGenerate)
	return c.createOne(made{draft: draft, value: value})
}

func (c *call) generateKeyPair(r *command.GenerateKeyPairRequest) (*command.KeyPairResponse, error) {
	row, err := c.generator(&r.Mechanism, command.ClassPrivateKey)
	if err != nil {
		return nil, err
	}
	public, err := c.draft(c.generated(command.ClassPublicKey, row, r.Public), r.Public)
	if err != nil {
		return nil, err
	}
	private, err := c.draft(c.generated(command.ClassPrivateKey, row, r.Private), r.Private)
	if err != nil {
		return nil, err
	}
	pair, err := generatePair(public, c)
	if err != nil {
		return nil, err
	}
	if err := c.fits(pair.Key, &r.Mechanism, row, command.UseGenerate); err != nil {
		return nil, err
	}
	c.count(r.Mechanism.Type, command.UseGenerate)
	public.TakePair(pair)
	private.TakePair(pair)
	handles, err := c.create(made{draft: public}, made{draft: private, value: pair.Private})
	if err != nil {
		return nil, err
	}
	return &command.KeyPairResponse{Public: handles[0], Private: handles[1]}, nil
}

// generated describes an object that a mechanism makes; the template chooses
// among its key types.
func (c *call) generated(class uint64, row command.MechanismRow, t command.Template) object.Spec {
	keyType := row.Keys[0]
	if given, ok := t.Uint(command.AttrKeyType); ok && row.WorksWith(given) {
		keyType = given
	}
	return object.Spec{Class: class, KeyType: keyType, Origin: command.OriginGenerate, Mechanism: row.Type}
}

// generator returns the row of a mechanism that makes keys of a class.
func (c *call) generator(m *command.Mechanism, class uint64) (command.MechanismRow, error) {
	row, err := c.mechanism(m, command.UseGenerate)
	if err != nil {
		return row, err
	}
	if mech.Secret(row.Keys[0]) != (class == command.ClassSecretKey) {
		return row, command.StatusMechanismInvalid.Withf("%s does not make such a key", m.Type)
	}
	if m.Type == command.MechPKCS5PBKD2 {
		return row, nil
	}
	return row, mech.NoParameters(m)
}

func generatePair(public object.Draft, c *call) (*mech.Pair, error) {
	switch keyType := public.Uint(command.AttrKeyType); keyType {
	case command.KeyRSA:
		return mech.GenerateRSA(public.Uint(command.AttrModulusBits), c.hsm.entropy)
	case command.KeyMLKEM, command.KeyMLDSA:
		return mech.GenerateLattice(keyType, public.Uint(command.AttrParameterSet), c.hsm.entropy)
	default:
		return mech.GenerateEC(keyType, public.Bytes(command.AttrECParams), c.hsm.entropy)
	}
}
