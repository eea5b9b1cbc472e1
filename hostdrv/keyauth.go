package hostdrv

import (
	"context"

	"usbhsm7/firmware/command"
)

// AuthorizeKey lets this session use key, until it ends or the role logs out.
// data is the key's authorization data, which the caller wipes; nil takes the
// authorization back. Wrong data is command.StatusAuthDataIncorrect, and
// StatusAuthDataIncorrectLimit when that locked the key.
func (s *Session) AuthorizeKey(ctx context.Context, key command.Handle, data []byte) error {
	return tell(ctx, s, command.CodeKeyAuthorize, &command.KeyAuthorizeRequest{Key: key, Data: data})
}

// SetKeyAuthorization changes the authorization data of key from old to new, of 4
// to 255 bytes. old is nil if key has none yet.
func (s *Session) SetKeyAuthorization(ctx context.Context, key command.Handle, old, new []byte) error {
	return tell(ctx, s, command.CodeKeySetAuthorization, &command.KeySetAuthorizationRequest{Key: key, Old: old, New: new})
}

// ResetKeyAuthorization gives key, which is not assigned, other authorization
// data, as the Crypto Officer.
func (s *Session) ResetKeyAuthorization(ctx context.Context, key command.Handle, data []byte) error {
	return tell(ctx, s, command.CodeKeyResetAuthorization, &command.KeyResetAuthorizationRequest{Key: key, Data: data})
}

// AssignKey gives key for good to whoever knows its authorization data, as the
// Crypto Officer.
func (s *Session) AssignKey(ctx context.Context, key command.Handle) error {
	return tell(ctx, s, command.CodeKeyAssign, &command.KeyAssignRequest{Key: key})
}

// UnblockKey gives key all its attempts, as the Crypto Officer.
func (s *Session) UnblockKey(ctx context.Context, key command.Handle) error {
	return tell(ctx, s, command.CodeKeyUnblock, &command.KeyUnblockRequest{Key: key})
}

// KeyStatus tells what stands against the use of key.
func (s *Session) KeyStatus(ctx context.Context, key command.Handle) (command.KeyStatusResponse, error) {
	return ask[command.KeyStatusResponse](ctx, s, command.CodeKeyStatus, &command.KeyStatusRequest{Key: key})
}
