package hsmtest_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv/hsmtest"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/fault"
)

func TestAScriptPullsThePlugInTheSecondSignature(t *testing.T) {
	dev := hsmtest.Start(t)
	keys := dev.Login(t, command.RoleCO)
	key := generate(t, keys)
	err := dev.Faults.Load(fault.Script{Rules: []fault.Rule{{
		On:     fault.Selector{Command: "sign", From: 2, To: 2},
		Faults: []fault.Fault{fault.Disconnect{}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
		t.Errorf("the first signature: %v", err)
	}
	if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); !errors.Is(err, transport.ErrDisconnected) {
		t.Errorf("the second signature: %v, want %v", err, transport.ErrDisconnected)
	}
	dev.Faults.Clear()
	if err := dev.Driver.Reconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	dev.Login(t, command.RoleCO)
}
