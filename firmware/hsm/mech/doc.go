// Package mech is the cryptography of the HSM: it makes keys, parses stored
// ones and runs the mechanisms of command.MechanismTable on them.
//
// A Key is parsed once and then used by any number of callers at once; every
// function here is pure but for the entropy it is handed. What a caller may do
// with a key (its usage attributes, who may see it) is decided elsewhere: mech
// checks only that mechanism, parameters, key and data fit each other.
//
// Refusals are *command.Error values:
//
//	StatusMechanismInvalid       no such mechanism, or not for this operation
//	StatusMechanismParamInvalid  a parameter is missing, out of range or not taken
//	StatusKeyTypeInconsistent    the key is of another type or class
//	StatusKeySizeRange           no key of this size
//	StatusDataLenRange           the input is too long, too short or not whole blocks
//	StatusEncryptedDataLenRange  the same for a ciphertext
//	StatusEncryptedDataInvalid   a tag or padding is wrong
//	StatusSignatureLenRange      the signature cannot be one of this key
//	StatusSignatureInvalid       the signature is wrong
//	StatusRNGError               the entropy source failed
package mech
