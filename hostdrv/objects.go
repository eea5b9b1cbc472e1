package hostdrv

import (
	"context"

	"usbhsm7/firmware/command"
)

// GenerateKey makes a secret key and returns its handle.
func (s *Session) GenerateKey(ctx context.Context, m command.Mechanism, template command.Template) (command.Handle, error) {
	req := &command.GenerateKeyRequest{Mechanism: m, Template: template}
	resp, err := ask[command.ObjectResponse](ctx, s, command.CodeGenerateKey, req)
	return resp.Object, err
}

// GenerateKeyPair makes a key pair and returns both handles.
func (s *Session) GenerateKeyPair(ctx context.Context, m command.Mechanism, public, private command.Template) (command.KeyPairResponse, error) {
	req := &command.GenerateKeyPairRequest{Mechanism: m, Public: public, Private: private}
	return ask[command.KeyPairResponse](ctx, s, command.CodeGenerateKeyPair, req)
}

// CreateObject makes an object of what template says, a secret value included,
// and returns its handle. The device decides whether keys may come in like this;
// the caller wipes what is secret in template.
func (s *Session) CreateObject(ctx context.Context, template command.Template) (command.Handle, error) {
	resp, err := ask[command.ObjectResponse](ctx, s, command.CodeCreateObject, &command.CreateObjectRequest{Template: template})
	return resp.Object, err
}

// CopyObject makes a copy of object with the attributes of template in their
// place, and returns its handle.
func (s *Session) CopyObject(ctx context.Context, object command.Handle, template command.Template) (command.Handle, error) {
	resp, err := ask[command.ObjectResponse](ctx, s, command.CodeCopyObject, &command.CopyObjectRequest{Object: object, Template: template})
	return resp.Object, err
}

// ObjectSize returns how many bytes object takes in the device's storage.
func (s *Session) ObjectSize(ctx context.Context, object command.Handle) (uint64, error) {
	resp, err := ask[command.ObjectSizeResponse](ctx, s, command.CodeObjectSize, &command.ObjectSizeRequest{Object: object})
	return resp.Bytes, err
}

// Find returns the handles of all objects that match every attribute of
// template, in ascending order; an empty template matches all objects that the
// session may see. It asks as often as the device has more to say.
func (s *Session) Find(ctx context.Context, template command.Template) ([]command.Handle, error) {
	var found []command.Handle
	req := &command.FindObjectsRequest{Template: template}
	for {
		page, err := ask[command.FindObjectsResponse](ctx, s, command.CodeFindObjects, req)
		if err != nil {
			return nil, err
		}
		found = append(found, page.Objects...)
		if !page.More || len(page.Objects) == 0 {
			return found, nil
		}
		req.After = page.Objects[len(page.Objects)-1]
	}
}

// Attributes reads the attributes of object named by types, or with none named
// all that may be read.
func (s *Session) Attributes(ctx context.Context, object command.Handle, types ...command.AttributeType) (command.Template, error) {
	req := &command.GetAttributesRequest{Object: object, Types: types}
	resp, err := ask[command.GetAttributesResponse](ctx, s, command.CodeGetAttributes, req)
	return resp.Attributes, err
}

// SetAttributes changes attributes of a modifiable object.
func (s *Session) SetAttributes(ctx context.Context, object command.Handle, attributes command.Template) error {
	req := &command.SetAttributesRequest{Object: object, Attributes: attributes}
	return tell(ctx, s, command.CodeSetAttributes, req)
}

// Destroy destroys object.
func (s *Session) Destroy(ctx context.Context, object command.Handle) error {
	return tell(ctx, s, command.CodeDestroyObject, &command.DestroyObjectRequest{Object: object})
}

// WrapKey encrypts a key with another one. A private key is wrapped as PKCS #8.
func (s *Session) WrapKey(ctx context.Context, m command.Mechanism, wrapping, key command.Handle) (command.WrapKeyResponse, error) {
	req := &command.WrapKeyRequest{Mechanism: m, WrappingKey: wrapping, Key: key}
	return ask[command.WrapKeyResponse](ctx, s, command.CodeWrapKey, req)
}

// UnwrapKey makes a key of one that is wrapped, and returns its handle. The
// template names class and key-type at least.
func (s *Session) UnwrapKey(ctx context.Context, m command.Mechanism, unwrapping command.Handle, wrapped []byte, template command.Template) (command.Handle, error) {
	req := &command.UnwrapKeyRequest{Mechanism: m, UnwrappingKey: unwrapping, Wrapped: wrapped, Template: template}
	r, err := ask[command.ObjectResponse](ctx, s, command.CodeUnwrapKey, req)
	return r.Object, err
}

// DeriveKey makes a secret key from another key, and returns its handle.
func (s *Session) DeriveKey(ctx context.Context, m command.Mechanism, base command.Handle, template command.Template) (command.Handle, error) {
	req := &command.DeriveKeyRequest{Mechanism: m, BaseKey: base, Template: template}
	r, err := ask[command.ObjectResponse](ctx, s, command.CodeDeriveKey, req)
	return r.Object, err
}

// EncapsulateKey makes a secret key, and the ciphertext from which the owner of
// the public key makes the same one.
func (s *Session) EncapsulateKey(ctx context.Context, m command.Mechanism, public command.Handle, template command.Template) (command.EncapsulateKeyResponse, error) {
	req := &command.EncapsulateKeyRequest{Mechanism: m, PublicKey: public, Template: template}
	return ask[command.EncapsulateKeyResponse](ctx, s, command.CodeEncapsulateKey, req)
}

// DecapsulateKey makes the secret key that somebody has encapsulated, and returns
// its handle.
func (s *Session) DecapsulateKey(ctx context.Context, m command.Mechanism, private command.Handle, ciphertext []byte, template command.Template) (command.Handle, error) {
	req := &command.DecapsulateKeyRequest{Mechanism: m, PrivateKey: private, Ciphertext: ciphertext, Template: template}
	r, err := ask[command.ObjectResponse](ctx, s, command.CodeDecapsulateKey, req)
	return r.Object, err
}
