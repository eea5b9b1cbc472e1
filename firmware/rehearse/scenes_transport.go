package rehearse

import "usbhsm7/firmware/command"

// Keys of the scenes below, made behind those of the stage.
const (
	wrappingKey = lastObject + 1
	wrapped     = lastObject + 2
	kemPublic   = lastObject + 1
	kemPrivate  = lastObject + 2
)

var (
	keyWrap  = command.Mechanism{Type: command.MechAESKeyWrap}
	kem      = command.Mechanism{Type: command.MechMLKEM}
	tokenAES = command.Template{
		command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyAES,
		command.AttrToken: true, command.AttrLabel: "x",
	}
)

// travellers makes a key that wraps, derives and unwraps, and one that may leave.
func travellers(o *Operator) {
	o.Login(command.RoleCO)
	by := newSecret("by")
	by.Template[command.AttrWrap], by.Template[command.AttrUnwrap], by.Template[command.AttrDerive] = true, true, true
	o.Must(command.CodeGenerateKey, o.user, by, nil)
	free := newSecret("free")
	free.Template[command.AttrExtractable] = true
	o.Must(command.CodeGenerateKey, o.user, free, nil)
}

// recipients makes a pair of keys for encapsulation.
func recipients(o *Operator) {
	o.Login(command.RoleCO)
	pair := newPair("kem")
	pair.Mechanism.Type = command.MechMLKEMKeyPairGen
	delete(pair.Public, command.AttrECParams)
	pair.Public[command.AttrParameterSet] = command.MLKEM768
	o.Must(command.CodeGenerateKeyPair, o.user, pair, nil)
}

// transportScenes play keys that leave, come, or follow from others.
func transportScenes() []Scene {
	const partition = command.SlotPartition
	wrap := &command.WrapKeyRequest{Mechanism: keyWrap, WrappingKey: wrappingKey, Key: wrapped}
	encapsulate := &command.EncapsulateKeyRequest{Mechanism: kem, PublicKey: kemPublic, Template: tokenAES}
	hkdf := command.Mechanism{Type: command.MechHKDFDerive, Hash: command.MechSHA256, Extract: true, Expand: true}
	derived := command.Template{command.AttrToken: true, command.AttrLabel: "x", command.AttrValueLen: uint64(16)}
	return []Scene{
		{Name: "wrapping of a key", Stage: Staffed, Before: travellers, Code: command.CodeWrapKey, Slot: partition, Request: the(wrap)},
		{
			Name: "unwrapping of a key", Stage: Staffed, Before: travellers, Code: command.CodeUnwrapKey, Slot: partition,
			Request: func(o *Operator) any {
				var r command.WrapKeyResponse
				o.Must(command.CodeWrapKey, o.user, wrap, &r)
				return &command.UnwrapKeyRequest{Mechanism: keyWrap, UnwrappingKey: wrappingKey, Wrapped: r.Wrapped, Template: tokenAES}
			},
		},
		{
			Name: "derivation of a key", Stage: Staffed, Before: travellers, Code: command.CodeDeriveKey, Slot: partition,
			Request: the(&command.DeriveKeyRequest{Mechanism: hkdf, BaseKey: wrappingKey, Template: derived}),
		},
		{Name: "encapsulation of a key", Stage: Staffed, Before: recipients, Code: command.CodeEncapsulateKey, Slot: partition, Request: the(encapsulate)},
		{
			Name: "decapsulation of a key", Stage: Staffed, Before: recipients, Code: command.CodeDecapsulateKey, Slot: partition,
			Request: func(o *Operator) any {
				var r command.EncapsulateKeyResponse
				o.Must(command.CodeEncapsulateKey, o.user, encapsulate, &r)
				return &command.DecapsulateKeyRequest{Mechanism: kem, PrivateKey: kemPrivate, Ciphertext: r.Ciphertext, Template: tokenAES}
			},
		},
	}
}
