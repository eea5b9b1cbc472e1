package hostdrv

import (
	"context"

	"usbhsm7/firmware/command"
)

// Sign makes a signature or a MAC over data with key. ECDSA signatures are
// r || s; Signer makes those that crypto/x509 expects.
func (s *Session) Sign(ctx context.Context, m command.Mechanism, key command.Handle, data []byte) ([]byte, error) {
	req := &command.SignRequest{Mechanism: m, Key: key, Data: data}
	resp, err := ask[command.SignResponse](ctx, s, command.CodeSign, req)
	return resp.Signature, err
}

// Verify checks a signature or a MAC over data. A wrong one is
// command.StatusSignatureInvalid.
func (s *Session) Verify(ctx context.Context, m command.Mechanism, key command.Handle, data, signature []byte) error {
	req := &command.VerifyRequest{Mechanism: m, Key: key, Data: data, Signature: signature}
	return tell(ctx, s, command.CodeVerify, req)
}

// Encrypt encrypts plaintext with key. AES-GCM appends the tag; if m has no IV
// the device chooses one of 12 bytes and returns it in the response.
func (s *Session) Encrypt(ctx context.Context, m command.Mechanism, key command.Handle, plaintext []byte) (command.CipherResponse, error) {
	req := &command.CipherRequest{Mechanism: m, Key: key, Data: plaintext}
	return ask[command.CipherResponse](ctx, s, command.CodeEncrypt, req)
}

// Decrypt decrypts ciphertext with key. Data that was not encrypted so is
// command.StatusEncryptedDataInvalid.
func (s *Session) Decrypt(ctx context.Context, m command.Mechanism, key command.Handle, ciphertext []byte) ([]byte, error) {
	req := &command.CipherRequest{Mechanism: m, Key: key, Data: ciphertext}
	resp, err := ask[command.CipherResponse](ctx, s, command.CodeDecrypt, req)
	return resp.Data, err
}

// Digest hashes data with m, such as command.MechSHA256.
func (s *Session) Digest(ctx context.Context, m command.MechanismType, data []byte) ([]byte, error) {
	req := &command.DigestRequest{Mechanism: command.Mechanism{Type: m}, Data: data}
	resp, err := ask[command.DigestResponse](ctx, s, command.CodeDigest, req)
	return resp.Digest, err
}

// Random returns n random bytes, 1 to 65,536, from the device's generator.
func (s *Session) Random(ctx context.Context, n uint) ([]byte, error) {
	resp, err := ask[command.RandomResponse](ctx, s, command.CodeRandom, &command.RandomRequest{Length: n})
	return resp.Data, err
}
