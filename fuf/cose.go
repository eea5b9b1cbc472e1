package fuf

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"filippo.io/mldsa"
)

// The signed part is a COSE_Sign message (RFC 9052, section 4.1) of one fixed
// shape. A file chooses no algorithm: these are the only two, and both are needed.
const (
	algEdDSA   = -8  // RFC 9053, section 2.2
	algMLDSA65 = -49 // registered by the COSE use of ML-DSA

	contentType  = "application/x-usbhsm7-fuf"
	signContext  = "usbhsm7 update file, schema 1" // external_aad: no other use of a key signs this
	coseSignTag  = "\xd8\x62"                      // tag 98
	maxSignature = 16                              // by eight signers
)

// algorithms are those that sign files.
var algorithms = map[int]struct {
	name string
	size int // of a signature, bytes
}{
	algEdDSA:   {"Ed25519", ed25519.SignatureSize},
	algMLDSA65: {"ML-DSA-65", mldsa.MLDSA65SignatureSize},
}

// signed is the content of the tag.
type signed struct {
	_          struct{} `cbor:",toarray"`
	Protected  []byte
	Open       struct{} // the unprotected header: empty
	Manifest   []byte
	Signatures []signature
}

type signature struct {
	_         struct{} `cbor:",toarray"`
	Protected []byte
	Open      struct{}
	Value     []byte
}

type bodyHeader struct {
	ContentType string `cbor:"3,keyasint"`
}

type signHeader struct {
	Algorithm int   `cbor:"1,keyasint"`
	Key       KeyID `cbor:"4,keyasint"`
}

// signedBytes is Sig_structure of RFC 9052, section 4.4.
type signedBytes struct {
	_       struct{} `cbor:",toarray"`
	Context string
	Body    []byte
	Sign    []byte
	AAD     []byte
	Payload []byte
}

func encodeSigned(manifest []byte, signatures []signature) ([]byte, error) {
	body, err := encode(bodyHeader{contentType})
	if err != nil {
		return nil, err
	}
	b, err := encode(signed{Protected: body, Manifest: manifest, Signatures: signatures})
	return append([]byte(coseSignTag), b...), err
}

// parseSigned reads the signed part and checks its shape, but no signature.
func parseSigned(b []byte) (*signed, error) {
	rest, ok := bytes.CutPrefix(b, []byte(coseSignTag))
	if !ok {
		return nil, fmt.Errorf("%w: not a COSE_Sign message", ErrProfile)
	}
	var s signed
	if err := codec.Unmarshal(rest, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	if body, err := encode(bodyHeader{contentType}); err != nil || !bytes.Equal(s.Protected, body) {
		return nil, fmt.Errorf("%w: another type of content", ErrProfile)
	}
	if len(s.Signatures) > maxSignature {
		return nil, fmt.Errorf("%w: %d signatures", ErrProfile, len(s.Signatures))
	}
	for i, sig := range s.Signatures {
		if _, err := sig.header(); err != nil {
			return nil, err
		}
		if i > 0 && bytes.Compare(s.Signatures[i-1].Protected, sig.Protected) >= 0 {
			return nil, fmt.Errorf("%w: signatures out of order", ErrProfile)
		}
	}
	return &s, nil
}

// header reads who signed, and checks the algorithm and the size that it gives
// the signature.
func (s signature) header() (signHeader, error) {
	var h signHeader
	if err := codec.Unmarshal(s.Protected, &h); err != nil {
		return h, fmt.Errorf("%w: header of a signature: %w", ErrProfile, err)
	}
	if a, ok := algorithms[h.Algorithm]; !ok || len(s.Value) != a.size {
		return h, fmt.Errorf("%w: algorithm %d, %d bytes", ErrProfile, h.Algorithm, len(s.Value))
	}
	return h, nil
}

// toBeSigned returns the message that the key with this header signs.
func toBeSigned(manifest []byte, h signHeader) ([]byte, error) {
	body, err := encode(bodyHeader{contentType})
	if err != nil {
		return nil, err
	}
	sign, err := encode(h)
	if err != nil {
		return nil, err
	}
	return encode(signedBytes{Context: "Signature", Body: body, Sign: sign, AAD: []byte(signContext), Payload: manifest})
}

// Signature is who signed a file, and how.
type Signature struct {
	Algorithm string `json:"algorithm"` // Ed25519 or ML-DSA-65
	Key       KeyID  `json:"key"`
}

// list names the signatures of a file.
func (s *signed) list() []Signature {
	list := make([]Signature, 0, len(s.Signatures))
	for _, sig := range s.Signatures {
		if h, err := sig.header(); err == nil {
			list = append(list, Signature{algorithms[h.Algorithm].name, h.Key})
		}
	}
	return list
}
