package hsm_test

import (
	"testing"

	"usbhsm7/firmware/command"
)

func TestFromFactoryToSignature(t *testing.T) {
	u := ready(t)
	pair := u.ec("signer", p256)
	hash := make([]byte, 32)
	sig := u.sign(command.Mechanism{Type: command.MechECDSA}, pair.Private, hash)
	u.ok(command.CodeVerify, u.user, &command.VerifyRequest{
		Mechanism: command.Mechanism{Type: command.MechECDSA}, Key: pair.Public, Data: hash, Signature: sig}, nil)

	u = u.again()
	if got := u.find(token("signer")); len(got) != 2 {
		t.Fatalf("found %d objects after a reboot, want 2", len(got))
	}
	u.sign(command.Mechanism{Type: command.MechECDSA}, pair.Private, hash)
}
