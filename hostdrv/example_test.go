package hostdrv_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/local"
)

// Opening a device, logging in, making a key and signing with it. The device
// here runs in the same process; with another bus it is one on a cable.
func Example() {
	ctx := context.Background()
	bus, powerOff := simulator()
	defer powerOff()

	dev, err := hostdrv.Dial(ctx, bus, transport.Selector{}, hostdrv.Options{Client: "example"})
	if err != nil {
		log.Fatal(err)
	}
	defer dev.Close()
	if err := commission(ctx, dev); err != nil {
		log.Fatal(err)
	}

	s, err := dev.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	err = s.Login(ctx, command.RoleCO, []byte("not the password"))
	fmt.Println("wrong password told as such:", errors.Is(err, command.StatusPINIncorrect))
	if err := s.Login(ctx, command.RoleCO, []byte("crypto-officer")); err != nil {
		log.Fatal(err)
	}

	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07} // its object identifier in DER
	pair, err := s.GenerateKeyPair(ctx, command.Mechanism{Type: command.MechECKeyPairGen},
		command.Template{command.AttrECParams: p256, command.AttrVerify: true},
		command.Template{command.AttrToken: true, command.AttrLabel: "server key", command.AttrSign: true})
	if err != nil {
		log.Fatal(err)
	}
	key, err := s.Signer(ctx, pair.Private) // a crypto.Signer: crypto/x509 and crypto/tls take it too
	if err != nil {
		log.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	signature, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signature verifies:", ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature))
	// Output:
	// wrong password told as such: true
	// signature verifies: true
}

// commission initialises a new device: HSM, partition and roles.
func commission(ctx context.Context, dev *hostdrv.Device) error {
	admin, err := dev.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	if err != nil {
		return err
	}
	so, po, co := []byte("security-officer"), []byte("partition-officer"), []byte("crypto-officer")
	err = errors.Join( // a step that fails makes the next ones fail too
		admin.InitHSM(ctx, command.HSMInitRequest{Label: "example", Password: so, Policies: []command.PolicySetting{{ID: 21, Value: 0}}}),
		admin.Login(ctx, command.RoleSO, so),
		admin.CreatePartition(ctx),
		admin.Close(ctx),
	)
	if err != nil {
		return err
	}
	s, err := dev.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
	if err != nil {
		return err
	}
	return errors.Join(
		s.InitPartition(ctx, command.PartitionInitRequest{Label: "keys", Password: po}),
		s.Login(ctx, command.RolePO, po),
		s.InitRole(ctx, command.RoleCO, co),
		s.Close(ctx),
	)
}

// simulator switches a new device on.
func simulator() (transport.Bus, func()) {
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		log.Fatal(err)
	}
	hsm, err := device.New(device.Config{Flash: image})
	if err != nil {
		log.Fatal(err)
	}
	return local.New(hsm.USB()), func() { _ = hsm.Close() }
}
