package rehearse

import "usbhsm7/firmware/command"

// guarded is a key with authorization data, keyPIN.
const (
	guarded command.Handle = lastObject + 1
	keyPIN                 = "key-pin"
)

// guard makes it.
func guard(o *Operator) {
	o.Login(command.RolePO)
	version := &command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 41, Value: 1}}}
	o.Must(command.CodePartitionPolicyChange, o.user, version, nil)
	o.Logout(command.RolePO)
	o.Login(command.RoleCO)
	request := newSecret("guarded")
	request.Template[command.AttrAuthData] = []byte(keyPIN)
	o.Must(command.CodeGenerateKey, o.user, request, nil)
}

// keyScenes play per-key authorization.
func keyScenes() []Scene {
	const partition = command.SlotPartition
	authorize := func(data string) func(*Operator) any {
		return the(&command.KeyAuthorizeRequest{Key: guarded, Data: []byte(data)})
	}
	return []Scene{
		{
			Name: "authorization of a key", Stage: Staffed, Before: guard, Code: command.CodeKeyAuthorize, Slot: partition,
			Request: authorize(keyPIN), Guesses: true,
		},
		{
			Name: "wrong authorization data", Stage: Staffed, Before: guard, Code: command.CodeKeyAuthorize, Slot: partition,
			Request: authorize(wrong), Guesses: true, Status: command.StatusAuthDataIncorrect,
		},
		{
			Name: "other authorization data", Stage: Staffed, Before: guard, Code: command.CodeKeySetAuthorization, Slot: partition,
			Request: the(&command.KeySetAuthorizationRequest{Key: guarded, Old: []byte(keyPIN), New: []byte(next)}), Guesses: true,
		},
		{
			Name: "authorization data for a key that has lost its own", Stage: Staffed, Before: guard, Code: command.CodeKeyResetAuthorization, Slot: partition,
			Request: the(&command.KeyResetAuthorizationRequest{Key: guarded, Data: []byte(next)}),
		},
		{
			Name: "assignment of a key", Stage: Staffed, Before: guard, Code: command.CodeKeyAssign, Slot: partition,
			Request: the(&command.KeyAssignRequest{Key: guarded}),
		},
		{
			Name: "unblocking of a key", Stage: Staffed, Code: command.CodeKeyUnblock, Slot: partition,
			Before: func(o *Operator) {
				guard(o)
				o.Do(command.CodeKeyAuthorize, o.user, &command.KeyAuthorizeRequest{Key: guarded, Data: []byte(wrong)}, nil)
			},
			Request: the(&command.KeyUnblockRequest{Key: guarded}),
		},
		{
			Name: "state of a key", Stage: Staffed, Before: guard, Code: command.CodeKeyStatus, Slot: partition,
			Request: the(&command.KeyStatusRequest{Key: guarded}), Quiet: asks,
		},
	}
}

// partScenes play operations in parts.
func partScenes() []Scene {
	const partition = command.SlotPartition
	const held = "an operation in parts is held in memory; the audit record of the use waits there too"
	digest := &command.OperationBeginRequest{Kind: command.OperationDigest, Mechanism: command.Mechanism{Type: command.MechSHA256}}
	begun := func(o *Operator) {
		o.Login(command.RoleCU)
		o.Must(command.CodeOperationBegin, o.user, digest, nil)
	}
	return []Scene{
		{Name: "operation in parts", Stage: Staffed, Before: as(command.RoleCU), Code: command.CodeOperationBegin, Slot: partition, Request: the(digest), Quiet: held},
		{
			Name: "part of an operation", Stage: Staffed, Before: begun, Code: command.CodeOperationUpdate, Slot: partition,
			Request: the(&command.OperationUpdateRequest{Kind: command.OperationDigest, Data: []byte("x")}), Quiet: held,
		},
		{
			Name: "end of an operation", Stage: Staffed, Before: begun, Code: command.CodeOperationFinish, Slot: partition,
			Request: the(&command.OperationFinishRequest{Kind: command.OperationDigest}), Quiet: held,
		},
		{
			Name: "operation given up", Stage: Staffed, Before: begun, Code: command.CodeOperationCancel, Slot: partition,
			Request: the(&command.OperationCancelRequest{Kind: command.OperationDigest}), Quiet: held,
		},
		{
			Name: "key in a digest", Stage: Staffed, Before: begun, Code: command.CodeDigestKey, Slot: partition,
			Request: the(&command.DigestKeyRequest{Key: aesKey}), Status: command.StatusOperationRestricted, Quiet: held,
		},
	}
}
