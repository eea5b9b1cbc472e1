package hsm

import (
	"bytes"
	"encoding/asn1"
	"errors"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/policy"
)

// travel has the policies under which keys of a class travel.
var travel = map[uint64]struct{ wrap, unwrap policy.ID }{
	command.ClassPrivateKey: {policy.PrivateKeyWrapping, policy.PrivateKeyUnwrapping},
	command.ClassSecretKey:  {policy.SecretKeyWrapping, policy.SecretKeyUnwrapping},
}

// statuses turns the status of a refusal into the one that PKCS#11 has for the
// same fault of another part of the command.
type statuses map[command.Status]command.Status

var (
	ofWrappingKey = statuses{
		command.StatusObjectHandleInvalid: command.StatusWrappingKeyHandle,
		command.StatusKeySizeRange:        command.StatusWrappingKeySize,
		command.StatusKeyTypeInconsistent: command.StatusWrappingKeyType,
	}
	ofUnwrappingKey = statuses{
		command.StatusObjectHandleInvalid: command.StatusUnwrappingKeyHandle,
		command.StatusKeySizeRange:        command.StatusUnwrappingKeySize,
		command.StatusKeyTypeInconsistent: command.StatusUnwrappingKeyType,
	}
	ofKeyToWrap = statuses{command.StatusDataLenRange: command.StatusKeySizeRange}
	ofWrapped   = statuses{
		command.StatusEncryptedDataInvalid:  command.StatusWrappedKeyInvalid,
		command.StatusEncryptedDataLenRange: command.StatusWrappedKeyLenRange,
	}
)

func (s statuses) of(err error) error {
	var e *command.Error
	if errors.As(err, &e) {
		if status, ok := s[e.Status]; ok {
			return status.With(e.Cause, e.Hint)
		}
	}
	return err
}

func (c *call) wrapKey(r *command.WrapKeyRequest) (*command.WrapKeyResponse, error) {
	by, err := c.key(r.WrappingKey, wrapping, &r.Mechanism)
	if err != nil {
		return nil, ofWrappingKey.of(err)
	}
	o, err := c.object(r.Key)
	if err != nil {
		return nil, err
	}
	if err := c.permitsWrapping(o, r.WrappingKey); err != nil {
		return nil, err
	}
	material, err := materialOf(o)
	if err != nil {
		return nil, err
	}
	defer clear(material)
	wrapped, iv, err := mech.Wrap(by, &r.Mechanism, material, c.hsm.entropy)
	if err != nil {
		return nil, ofKeyToWrap.of(err)
	}
	return &command.WrapKeyResponse{Wrapped: wrapped, IV: iv}, nil
}

// permitsWrapping checks whether a key may leave, wrapped with another one.
func (c *call) permitsWrapping(o *object.Object, with command.Handle) error {
	policies, ok := travel[o.Class()]
	switch {
	case !ok:
		return command.StatusKeyNotWrappable.With("only private and secret keys are wrapped", "")
	case !c.allows(policy.KeyManagement):
		return refusedBy(command.StatusOperationRestricted, policy.KeyManagement, "to wrap keys")
	case !c.allows(policies.wrap):
		return refusedBy(command.StatusOperationRestricted, policies.wrap, "to wrap such a key")
	case !o.Is(command.AttrExtractable):
		return command.StatusKeyUnextractable.With("the key is not extractable", "only keys made with extractable set are wrapped")
	}
	if err := c.mayUse(o, wrapping); err != nil || !o.Is(command.AttrWrapWithTrusted) {
		return err
	}
	by, err := c.object(with)
	if err == nil && !by.Is(command.AttrTrusted) {
		err = command.StatusKeyNotWrappable.With("the key may be wrapped with a trusted key only", "the Partition SO says which keys are trusted")
	}
	return err
}

// materialOf returns a copy of what is wrapped of a key: its value, or a private
// key as PKCS#8.
func materialOf(o *object.Object) ([]byte, error) {
	if o.Class() == command.ClassSecretKey {
		return bytes.Clone(o.Material()), nil
	}
	key, err := o.Parsed()
	if err != nil {
		return nil, err
	}
	return key.PKCS8()
}

func (c *call) unwrapKey(r *command.UnwrapKeyRequest) (*command.ObjectResponse, error) {
	spec, err := object.SpecOf(command.OriginReceive, r.Template)
	if err != nil {
		return nil, err
	}
	policies, ok := travel[spec.Class]
	switch {
	case !ok:
		return nil, command.StatusTemplateInconsistent.With("only private and secret keys are unwrapped", "")
	case !c.allows(policies.unwrap):
		return nil, refusedBy(command.StatusOperationRestricted, policies.unwrap, "to unwrap such a key")
	}
	key, err := c.key(r.UnwrappingKey, unwrapping, &r.Mechanism)
	if err != nil {
		return nil, ofUnwrappingKey.of(err)
	}
	draft, err := c.draft(spec, r.Template)
	if err != nil {
		return nil, err
	}
	material, err := mech.Unwrap(key, &r.Mechanism, r.Wrapped)
	if err != nil {
		return nil, ofWrapped.of(err)
	}
	return c.receive(draft, material, !mech.Padded(r.Mechanism.Type))
}

// receive makes an object of unwrapped material, which it wipes. Filled says
// that zeros may follow the key.
func (c *call) receive(draft object.Draft, material []byte, filled bool) (*command.ObjectResponse, error) {
	defer clear(material)
	if draft.Class() == command.ClassPrivateKey {
		return c.receivePrivate(draft, material, filled)
	}
	length := draft.Length()
	if length == 0 {
		length = uint64(len(material))
	}
	surplus := uint64(len(material)) - length // wraps if the key is too short
	if length > uint64(len(material)) || surplus > 0 && (!filled || surplus >= 16) || !zeros(material[length:]) {
		return nil, command.StatusWrappedKeyLenRange.With("the wrapped key has another length than the template says", "")
	}
	if err := mech.SecretLength(draft.Uint(command.AttrKeyType), length); err != nil {
		return nil, statuses{command.StatusKeySizeRange: command.StatusWrappedKeyLenRange}.of(err)
	}
	return c.createOne(made{draft: draft, value: bytes.Clone(material[:length])})
}

func (c *call) receivePrivate(draft object.Draft, material []byte, filled bool) (*command.ObjectResponse, error) {
	var info asn1.RawValue
	rest, err := asn1.Unmarshal(material, &info)
	if err != nil || len(rest) > 0 && !filled || !zeros(rest) {
		return nil, badPrivateKey()
	}
	pair, err := mech.ParsePKCS8(info.FullBytes)
	if err != nil {
		return nil, badPrivateKey()
	}
	if pair.Key.Type != draft.Uint(command.AttrKeyType) {
		return nil, command.StatusTemplateInconsistent.With("the wrapped key is of another type than the template says", "")
	}
	draft.TakePair(pair)
	return c.createOne(made{draft: draft, value: bytes.Clone(pair.Private)})
}

func badPrivateKey() error {
	return command.StatusWrappedKeyInvalid.With("what is wrapped is no private key in the form of PKCS#8", "")
}

func zeros(p []byte) bool { return len(bytes.Trim(p, "\x00")) == 0 }
