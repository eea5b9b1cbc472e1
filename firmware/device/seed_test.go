package device_test

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/auth"
)

// play sets a device with a seed up, has it make and use keys, several requests
// at a time, and returns what it answered and what is on its flash then.
func play(t *testing.T, seed string) (answers [][]byte, image []byte) {
	t.Helper()
	chip := blank(t)
	d, err := device.New(device.Config{
		Flash: chip, Serial: "7000001", Seed: []byte(seed), Cost: auth.Quick,
		Clock: func() time.Time { return time.Unix(1_900_000_000, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	h := hello(t, d)
	session := setUp(h)
	var key command.ObjectResponse
	h.must(command.CodeGenerateKey, session, command.GenerateKeyRequest{
		Mechanism: command.Mechanism{Type: command.MechAESKeyGen},
		Template:  command.Template{command.AttrToken: true, command.AttrValueLen: uint64(32)},
	}, &key)
	var batch []byte
	const requests = 8
	for range requests {
		_, transfer := h.request(command.CodeEncrypt, session, command.CipherRequest{
			Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: key.Object, Data: []byte("data"),
		})
		batch = append(batch, transfer...)
	}
	h.send(batch)
	for range requests {
		m := h.receive()
		answers = append(answers, m.Payload)
	}
	answers = append(answers, playPairs(h, session)...)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return answers, onChip(t, chip)
}

// playPairs has the device make key pairs of many kinds, sign and encrypt with
// them, and returns the public keys and what it made.
func playPairs(h *host, session uint32) (answers [][]byte) {
	token := command.Template{command.AttrToken: true}
	for _, c := range []struct {
		generate, sign command.MechanismType
		public         command.Template
		shows          command.AttributeType
	}{
		{command.MechRSAKeyPairGen, command.MechSHA256RSAPKCSPSS, command.Template{command.AttrModulusBits: uint64(2048)}, command.AttrModulus},
		{command.MechECKeyPairGen, command.MechECDSASHA256, command.Template{command.AttrECParams: []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}}, command.AttrECPoint},
		{command.MechECKeyPairGen, command.MechECDSA, command.Template{command.AttrECParams: []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23}}, command.AttrECPoint},
		{command.MechECKeyPairGen, command.MechECDSA, command.Template{command.AttrECParams: []byte{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A}}, command.AttrECPoint},
		{command.MechEdwardsKeyPairGen, command.MechEdDSA, command.Template{command.AttrECParams: []byte{0x06, 0x03, 0x2B, 0x65, 0x70}}, command.AttrECPoint},
		{command.MechMLDSAKeyPairGen, command.MechMLDSA, command.Template{command.AttrParameterSet: command.MLDSA44}, command.AttrValue},
	} {
		var pair command.KeyPairResponse
		h.must(command.CodeGenerateKeyPair, session, command.GenerateKeyPairRequest{
			Mechanism: command.Mechanism{Type: c.generate}, Public: c.public, Private: token,
		}, &pair)
		var shown command.GetAttributesResponse
		h.must(command.CodeGetAttributes, session, command.GetAttributesRequest{Object: pair.Public, Types: []command.AttributeType{c.shows}}, &shown)
		var signed command.SignResponse
		h.must(command.CodeSign, session, command.SignRequest{Mechanism: command.Mechanism{Type: c.sign}, Key: pair.Private, Data: []byte("signed")}, &signed)
		answers = append(answers, shown.Attributes.Bytes(c.shows), signed.Signature)
		if c.generate == command.MechRSAKeyPairGen {
			for _, m := range []command.Mechanism{{Type: command.MechRSAPKCS}, {Type: command.MechRSAPKCSOAEP, Hash: command.MechSHA256}} {
				var encrypted command.CipherResponse
				h.must(command.CodeEncrypt, session, command.CipherRequest{Mechanism: m, Key: pair.Public, Data: []byte("data")}, &encrypted)
				answers = append(answers, encrypted.Data)
			}
		}
	}
	return answers
}

func onChip(t *testing.T, chip *flash.Memory) []byte {
	t.Helper()
	image := make([]byte, chip.Geometry().Size())
	if err := chip.Read(0, image); err != nil {
		t.Fatal(err)
	}
	return image
}

func TestSeedDecidesEverything(t *testing.T) {
	answers, image := play(t, "a")
	for _, processors := range []int{1, 2, 8} {
		before := runtime.GOMAXPROCS(processors)
		again, same := play(t, "a")
		runtime.GOMAXPROCS(before)
		for i := range answers {
			if !bytes.Equal(answers[i], again[i]) {
				t.Errorf("with %d processors answer %d is %x, was %x", processors, i, again[i], answers[i])
			}
		}
		if !bytes.Equal(image, same) {
			t.Errorf("with %d processors the flash differs", processors)
		}
	}
	if other, differs := play(t, "b"); bytes.Equal(other[0], answers[0]) || bytes.Equal(image, differs) {
		t.Error("another seed makes no difference")
	}
}

func TestSeedDecidesTheSerialNumber(t *testing.T) {
	serial := func(seed string) string {
		d, err := device.New(device.Config{Flash: blank(t), Seed: []byte(seed), Cost: auth.Quick})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		_, serial, _ := d.Identity()
		return serial
	}
	if first, again, other := serial("a"), serial("a"), serial("b"); first != again || first == other {
		t.Errorf("seed a: %s and %s; seed b: %s", first, again, other)
	}
}

func TestSeededDeviceDoesNotRepeatItselfAfterAPowerCycle(t *testing.T) {
	chip := blank(t)
	random := func() []byte {
		d, err := device.New(device.Config{Flash: chip, Serial: "7000001", Seed: []byte("a"), Cost: auth.Quick})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		h := hello(t, d)
		var admin command.SessionOpenResponse
		var r command.RandomResponse
		h.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: command.SlotAdmin}, &admin)
		h.must(command.CodeRandom, admin.Session, command.RandomRequest{Length: 32}, &r)
		return r.Data
	}
	first, second, third := random(), random(), random()
	if bytes.Equal(first, second) || bytes.Equal(second, third) {
		t.Errorf("the same random numbers twice: %x, %x, %x", first, second, third)
	}
}
