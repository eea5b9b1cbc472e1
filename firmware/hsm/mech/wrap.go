package mech

import (
	"usbhsm7/firmware/command"
)

// unpadded are the mechanisms that wrap whole blocks only: key material is
// filled up with zeros (PKCS#11 3.1, sections 6.13.3 and 6.13.4), and whoever
// unwraps it cuts it to the length of its key.
var unpadded = map[command.MechanismType]bool{
	command.MechAESECB: true, command.MechAESCBC: true, command.MechDES3ECB: true, command.MechDES3CBC: true,
}

// Wrap encrypts key material: the value of a secret key, or what PKCS8 returns
// for a private one. The second result is the nonce if the device chose it, as
// it does for AES-GCM without one.
func Wrap(wrapping *Key, m *command.Mechanism, material []byte, entropy Entropy) (out, iv []byte, err error) {
	if err := wrapper(m, command.UseWrap); err != nil {
		return nil, nil, err
	}
	if unpadded[m.Type] && wrapping.block != nil {
		padded := make([]byte, len(material)+-len(material)&(wrapping.block.BlockSize()-1))
		copy(padded, material)
		defer clear(padded)
		material = padded
	}
	return Encrypt(wrapping, m, material, entropy)
}

// Padded reports whether Unwrap gives a key back without zeros behind it.
func Padded(m command.MechanismType) bool { return !unpadded[m] }

// Unwrap is the inverse of Wrap. With a mechanism that pads with zeros they are
// still there.
func Unwrap(wrapping *Key, m *command.Mechanism, wrapped []byte) ([]byte, error) {
	if err := wrapper(m, command.UseUnwrap); err != nil {
		return nil, err
	}
	return Decrypt(wrapping, m, wrapped)
}

func wrapper(m *command.Mechanism, use command.Use) error {
	if row, ok := command.LookupMechanism(m.Type); !ok || row.Uses&use == 0 {
		return notFor(m.Type, "wrapping")
	}
	return nil
}
