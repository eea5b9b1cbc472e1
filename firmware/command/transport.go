package command

// Requests and responses of keys that travel, and of keys made from others.

// WrapKeyRequest encrypts a key with another one, so that it may leave.
type WrapKeyRequest struct {
	Mechanism   Mechanism `cbor:"1,keyasint"`
	WrappingKey Handle    `cbor:"2,keyasint"`
	Key         Handle    `cbor:"3,keyasint"` // secret, or private: that as PKCS #8
}

// WrapKeyResponse carries the wrapped key.
type WrapKeyResponse struct {
	Wrapped []byte `cbor:"1,keyasint"`
	IV      []byte `cbor:"2,keyasint,omitempty"` // that the device chose, for AES-GCM without one
}

// UnwrapKeyRequest makes a key of one that is wrapped.
type UnwrapKeyRequest struct {
	Mechanism     Mechanism `cbor:"1,keyasint"`
	UnwrappingKey Handle    `cbor:"2,keyasint"`
	Wrapped       []byte    `cbor:"3,keyasint"`
	Template      Template  `cbor:"4,keyasint"` // with class and key-type
}

// DeriveKeyRequest makes a secret key from another key.
type DeriveKeyRequest struct {
	Mechanism Mechanism `cbor:"1,keyasint"`
	BaseKey   Handle    `cbor:"2,keyasint"`
	Template  Template  `cbor:"3,keyasint"` // a generic secret if it does not say
}

// EncapsulateKeyRequest makes a secret key that the owner of a public key can
// make too.
type EncapsulateKeyRequest struct {
	Mechanism Mechanism `cbor:"1,keyasint"`
	PublicKey Handle    `cbor:"2,keyasint"`
	Template  Template  `cbor:"3,keyasint"` // a generic secret if it does not say
}

// EncapsulateKeyResponse carries the key, and what its owner needs for it.
type EncapsulateKeyResponse struct {
	Object     Handle `cbor:"1,keyasint" json:"object"`
	Ciphertext []byte `cbor:"2,keyasint" json:"ciphertext"`
}

// DecapsulateKeyRequest makes the secret key that somebody has encapsulated.
type DecapsulateKeyRequest struct {
	Mechanism  Mechanism `cbor:"1,keyasint"`
	PrivateKey Handle    `cbor:"2,keyasint"`
	Ciphertext []byte    `cbor:"3,keyasint"`
	Template   Template  `cbor:"4,keyasint"` // a generic secret if it does not say
}

// Uses returns the wrapping key.
func (r *WrapKeyRequest) Uses() Handle { return r.WrappingKey }

// Uses returns the unwrapping key.
func (r *UnwrapKeyRequest) Uses() Handle { return r.UnwrappingKey }

// Uses returns the key that the request uses.
func (r *DeriveKeyRequest) Uses() Handle { return r.BaseKey }

// Uses returns the key that the request uses.
func (r *EncapsulateKeyRequest) Uses() Handle { return r.PublicKey }

// Uses returns the key that the request uses.
func (r *DecapsulateKeyRequest) Uses() Handle { return r.PrivateKey }
