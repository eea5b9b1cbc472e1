package fuf

// Reason is why a file, or something that belongs to one, was refused. It is an
// error, and errors.Is finds it in every error of this package that refuses. Its
// text is the name that the vectors use.
type Reason string

// The reasons, in the order in which they are found.
const (
	ErrMagic     Reason = "magic"     // no update file, or one that went through a text conversion
	ErrLength    Reason = "length"    // the file or a part of it is shorter or longer than it says
	ErrTooLarge  Reason = "too-large" // a length beyond the limits of the format
	ErrProfile   Reason = "profile"   // the signed part is not of the one shape that there is
	ErrSigner    Reason = "signer"    // a signature by a key that is not trusted
	ErrSignature Reason = "signature" // a signature that is wrong
	ErrUnsigned  Reason = "unsigned"  // too few signers signed with both of their keys
	ErrSchema    Reason = "schema"    // a manifest of a later schema
	ErrEncoding  Reason = "encoding"  // a manifest that is not the deterministic encoding of its meaning
	ErrManifest  Reason = "manifest"  // a value in the manifest that makes no sense
	ErrTable     Reason = "table"     // the table of chunks is not the one that was signed
	ErrProof     Reason = "proof"     // the proof of transparency is missing, wrong or not witnessed by enough
	ErrChunk     Reason = "chunk"     // a chunk is not the one that was signed
	ErrRecipient Reason = "recipient" // encrypted for another group of models
	ErrAuthcode  Reason = "authcode"  // the authentication code is not the one of this file
	ErrPayload   Reason = "payload"   // the decrypted payload is not the one that was signed
)

// Reasons returns every reason, in their order.
func Reasons() []Reason {
	return []Reason{
		ErrMagic, ErrLength, ErrTooLarge, ErrProfile, ErrSigner, ErrSignature, ErrUnsigned, ErrSchema, ErrEncoding,
		ErrManifest, ErrTable, ErrProof, ErrChunk, ErrRecipient, ErrAuthcode, ErrPayload,
	}
}

// Error says for people what the reason is.
func (r Reason) Error() string { return "update file refused: " + r.meaning() }

func (r Reason) meaning() string {
	switch r {
	case ErrMagic:
		return "it is no update file, or was changed on its way"
	case ErrLength:
		return "it is shorter or longer than it says"
	case ErrTooLarge:
		return "it is larger than the format permits"
	case ErrProfile:
		return "its signed part has another shape than the format gives it"
	case ErrSigner:
		return "a key signed it that is not trusted here"
	case ErrSignature:
		return "a signature is wrong"
	case ErrUnsigned:
		return "too few signers signed it with both keys"
	case ErrSchema:
		return "it is for a later version of this software"
	case ErrEncoding:
		return "its manifest is not encoded as the format demands"
	case ErrManifest:
		return "its manifest makes no sense"
	case ErrTable:
		return "its table of chunks is not the one that was signed"
	case ErrProof:
		return "its proof of transparency is missing or does not hold"
	case ErrChunk:
		return "a chunk is not the one that was signed"
	case ErrRecipient:
		return "it is encrypted for another group of models"
	case ErrAuthcode:
		return "the authentication code does not belong to it"
	case ErrPayload:
		return "the payload is not the one that was signed"
	}
	return string(r)
}
