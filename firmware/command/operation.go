package command

import "fmt"

// OperationKind is a kind of operation that takes its data in parts. A session
// has at most one of each kind under way.
type OperationKind uint8

// The kinds. Each has a command for data in one part, which says who may.
const (
	OperationSign    OperationKind = 1
	OperationVerify  OperationKind = 2
	OperationEncrypt OperationKind = 3
	OperationDecrypt OperationKind = 4
	OperationDigest  OperationKind = 5
)

// OperationKinds lists the kinds in the order of their numbers.
var OperationKinds = []OperationKind{OperationSign, OperationVerify, OperationEncrypt, OperationDecrypt, OperationDigest}

// String returns the name of the kind.
func (k OperationKind) String() string {
	names := [...]string{"no operation", "sign", "verify", "encrypt", "decrypt", "digest"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("operation %d", uint8(k))
}

// OperationBeginRequest begins an operation.
type OperationBeginRequest struct {
	Kind      OperationKind `cbor:"1,keyasint"`
	Mechanism Mechanism     `cbor:"2,keyasint"`
	Key       Handle        `cbor:"3,keyasint,omitempty"` // none for a digest
}

// OperationBeginResponse tells what the device chose.
type OperationBeginResponse struct {
	IV []byte `cbor:"1,keyasint,omitempty"` // for an AES-GCM encryption without one
}

// OperationUpdateRequest brings the next part.
type OperationUpdateRequest struct {
	Kind   OperationKind `cbor:"1,keyasint"`
	Offset uint64        `cbor:"2,keyasint,omitempty"` // bytes in the parts before
	Data   []byte        `cbor:"3,keyasint"`
}

// OperationResponse carries what the result grew by.
type OperationResponse struct {
	Data []byte `cbor:"1,keyasint"` // update: output of a cipher; finish: the rest of it, the signature or the digest
}

// OperationFinishRequest ends an operation and asks for the rest of its result.
type OperationFinishRequest struct {
	Kind      OperationKind `cbor:"1,keyasint"`
	Offset    uint64        `cbor:"2,keyasint,omitempty"` // bytes in all parts
	Signature []byte        `cbor:"3,keyasint,omitempty"` // verify: what is to be checked
}

// OperationCancelRequest gives an operation up.
type OperationCancelRequest struct {
	Kind OperationKind `cbor:"1,keyasint"`
}

// DigestKeyRequest adds the value of a secret key to the digest under way.
type DigestKeyRequest struct {
	Key Handle `cbor:"1,keyasint"`
}

// Uses returns the key that the request uses.
func (r *OperationBeginRequest) Uses() Handle { return r.Key }

// Uses returns the key that the request uses.
func (r *DigestKeyRequest) Uses() Handle { return r.Key }
