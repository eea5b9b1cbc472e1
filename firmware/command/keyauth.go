package command

// Requests of per-key authorization: whoever knows the authorization data of a
// key may use it, and nobody else.

// KeyAuthorizeRequest lets the session use a key until it ends or the role logs
// out.
type KeyAuthorizeRequest struct {
	Key  Handle `cbor:"1,keyasint"`
	Data []byte `cbor:"2,keyasint,omitempty"` // the key's authorization data; absent: the session may not use it any more
}

// KeySetAuthorizationRequest changes the authorization data of a key, or gives it
// some.
type KeySetAuthorizationRequest struct {
	Key Handle `cbor:"1,keyasint"`
	Old []byte `cbor:"2,keyasint,omitempty"` // absent if the key has none
	New []byte `cbor:"3,keyasint"`           // 4 to 255 bytes
}

// KeyResetAuthorizationRequest gives a key other authorization data and all its
// attempts.
type KeyResetAuthorizationRequest struct {
	Key  Handle `cbor:"1,keyasint"`
	Data []byte `cbor:"2,keyasint"` // 4 to 255 bytes
}

// KeyAssignRequest gives a key to whoever knows its authorization data, for good.
type KeyAssignRequest struct {
	Key Handle `cbor:"1,keyasint"`
}

// KeyUnblockRequest gives a key all its attempts.
type KeyUnblockRequest struct {
	Key Handle `cbor:"1,keyasint"`
}

// KeyStatusRequest asks what stands against the use of a key.
type KeyStatusRequest struct {
	Key Handle `cbor:"1,keyasint"`
}

// KeyStatusResponse tells it.
type KeyStatusResponse struct {
	Status       KeyStatus `cbor:"1,keyasint" json:"status"`
	Failures     uint      `cbor:"2,keyasint" json:"failures"`      // wrong authorization data since the last success
	FailureLimit uint      `cbor:"3,keyasint" json:"failure_limit"` // as many lock the key
	Assigned     bool      `cbor:"4,keyasint" json:"assigned"`
	Authorised   bool      `cbor:"5,keyasint" json:"authorised"`            // this session may use it, as far as authorization goes
	Uses         uint64    `cbor:"6,keyasint,omitempty" json:"uses"`        // of a key with a limit
	UsageLimit   uint64    `cbor:"7,keyasint,omitempty" json:"usage_limit"` // 0: there is none
}

// Uses names the key that is authorised.
func (r *KeyAuthorizeRequest) Uses() Handle { return r.Key }

// Uses names the key whose authorization is changed.
func (r *KeySetAuthorizationRequest) Uses() Handle { return r.Key }

// Uses names the key whose authorization is reset.
func (r *KeyResetAuthorizationRequest) Uses() Handle { return r.Key }

// Uses names the key that is assigned.
func (r *KeyAssignRequest) Uses() Handle { return r.Key }

// Uses names the key that is unblocked.
func (r *KeyUnblockRequest) Uses() Handle { return r.Key }
