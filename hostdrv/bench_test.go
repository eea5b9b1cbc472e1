package hostdrv_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
)

// benchmarkDevice returns a commissioned device in this process.
func benchmarkDevice(b *testing.B) *hostdrv.Device {
	b.Helper()
	bus, powerOff := simulator()
	dev, err := hostdrv.Dial(b.Context(), bus, transport.Selector{}, hostdrv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = dev.Close()
		powerOff()
	})
	if err := commission(b.Context(), dev); err != nil {
		b.Fatal(err)
	}
	return dev
}

// share runs f b.N times, divided among callers.
func share(b *testing.B, callers int, f func() error) {
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := caller; i < b.N; i += callers {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkEcho is a command round trip with nothing to do.
func BenchmarkEcho(b *testing.B) {
	dev := benchmarkDevice(b)
	data := make([]byte, 32)
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			share(b, callers, func() error {
				_, err := dev.Echo(context.Background(), data)
				return err
			})
		})
	}
}

// BenchmarkSignP256 is an ECDSA signature through the whole stack, and beside
// it what bare Go makes of the same.
func BenchmarkSignP256(b *testing.B) {
	dev := benchmarkDevice(b)
	ctx := context.Background()
	s, err := dev.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Login(ctx, command.RoleCO, []byte("crypto-officer")); err != nil {
		b.Fatal(err)
	}
	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	pair, err := s.GenerateKeyPair(ctx, command.Mechanism{Type: command.MechECKeyPairGen},
		command.Template{command.AttrECParams: p256}, command.Template{command.AttrSign: true})
	if err != nil {
		b.Fatal(err)
	}
	device, err := s.Signer(ctx, pair.Private)
	if err != nil {
		b.Fatal(err)
	}
	bare, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	for name, key := range map[string]crypto.Signer{"device": device, "bare": bare} {
		for _, callers := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				share(b, callers, func() error {
					_, err := key.Sign(rand.Reader, digest, crypto.SHA256)
					return err
				})
			})
		}
	}
}

// BenchmarkThroughput moves 1 MiB there and back.
func BenchmarkThroughput(b *testing.B) {
	dev := benchmarkDevice(b)
	data := make([]byte, 1<<20)
	b.SetBytes(2 * int64(len(data)))
	share(b, 1, func() error {
		_, err := dev.Echo(context.Background(), data)
		return err
	})
}
