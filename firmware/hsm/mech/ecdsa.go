package mech

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"usbhsm7/firmware/command"
)

// rawFromDER turns Ecdsa-Sig-Value (RFC 5480, appendix A) into r || s, each of
// size bytes.
func rawFromDER(der []byte, size int) ([]byte, error) {
	var sequence cryptobyte.String
	var r, s []byte
	input := cryptobyte.String(der)
	if !input.ReadASN1(&sequence, asn1.SEQUENCE) ||
		!sequence.ReadASN1Integer(&r) || !sequence.ReadASN1Integer(&s) ||
		len(r) > size || len(s) > size {
		return nil, command.StatusGeneralError.With("the signature could not be encoded", "")
	}
	raw := make([]byte, 2*size)
	copy(raw[size-len(r):], r)
	copy(raw[2*size-len(s):], s)
	return raw, nil
}

// derFromRaw is the inverse for a raw of even length below 256 bytes.
func derFromRaw(raw []byte) []byte {
	half := len(raw) / 2
	body := appendInteger(make([]byte, 2, len(raw)+9), raw[:half])
	body = appendInteger(body, raw[half:])
	body[0], body[1] = byte(asn1.SEQUENCE), byte(len(body)-2)
	return body
}

// appendInteger appends a DER integer shorter than 128 bytes.
func appendInteger(dst, magnitude []byte) []byte {
	magnitude = bytes.TrimLeft(magnitude, "\x00")
	if len(magnitude) == 0 || magnitude[0] >= 0x80 {
		dst = append(dst, byte(asn1.INTEGER), byte(len(magnitude)+1), 0)
	} else {
		dst = append(dst, byte(asn1.INTEGER), byte(len(magnitude)))
	}
	return append(dst, magnitude...)
}
