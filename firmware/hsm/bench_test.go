package hsm_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"usbhsm7/firmware/command"
)

// BenchmarkSign compares signatures through Execute with bare Go crypto.
func BenchmarkSign(b *testing.B) {
	u := ready(b)
	hash := make([]byte, 32)
	bareEC, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	bareRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		m    command.MechanismType
		key  command.Handle
		data []byte
		bare func() error
	}{
		{
			"P-256", command.MechECDSA, u.ec("ec", p256).Private, hash,
			func() error { _, err := ecdsa.SignASN1(rand.Reader, bareEC, hash); return err },
		},
		{
			"RSA-2048", command.MechSHA256RSAPKCS, u.rsa("rsa", 2048).Private, hash,
			func() error { _, err := rsa.SignPKCS1v15(nil, bareRSA, crypto.SHA256, hash); return err },
		},
	} {
		payload, err := command.Marshal(&command.SignRequest{Mechanism: command.Mechanism{Type: c.m}, Key: c.key, Data: c.data})
		if err != nil {
			b.Fatal(err)
		}
		execute := func() error {
			status, _ := u.host.Execute(context.Background(), command.CodeSign, u.user, payload)
			return status.Err()
		}
		b.Run(c.name+"/execute", func(b *testing.B) { alone(b, execute) })
		b.Run(c.name+"/bare", func(b *testing.B) { alone(b, c.bare) })
		b.Run(c.name+"/execute, 8 callers", func(b *testing.B) { together(b, execute) })
		b.Run(c.name+"/bare, 8 callers", func(b *testing.B) { together(b, c.bare) })
	}
}

func alone(b *testing.B, f func() error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
}

func together(b *testing.B, f func() error) {
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkOverhead is what Execute costs around commands that do next to
// nothing.
func BenchmarkOverhead(b *testing.B) {
	u := ready(b)
	for i := range 10 {
		u.aes(string(rune('a' + i)))
	}
	for _, c := range []struct {
		name    string
		code    command.Code
		session uint32
		in      any
	}{
		{"echo of 32 bytes", command.CodeEcho, 0, &command.Echo{Data: make([]byte, 32)}},
		{"session info", command.CodeSessionInfo, u.user, nil},
		{"AES-GCM of 32 bytes", command.CodeEncrypt, u.user, &command.CipherRequest{Mechanism: command.Mechanism{Type: command.MechAESGCM}, Key: 1, Data: make([]byte, 32)}},
		{"find", command.CodeFindObjects, u.user, &command.FindObjectsRequest{Template: command.Template{command.AttrLabel: "a"}}},
		{"all attributes", command.CodeGetAttributes, u.user, &command.GetAttributesRequest{Object: 1}},
	} {
		payload, err := command.Marshal(c.in)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			alone(b, func() error {
				status, _ := u.host.Execute(context.Background(), c.code, c.session, payload)
				return status.Err()
			})
		})
	}
}
