package hostdrv_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
)

// large is more data than all parts that are under way at once.
func large() []byte {
	data := make([]byte, 3<<20+17)
	_, _ = rand.Read(data)
	return data
}

func secret(t *testing.T, s *hostdrv.Session, m command.MechanismType) command.Handle {
	t.Helper()
	key, err := s.GenerateKey(t.Context(), command.Mechanism{Type: m}, command.Template{command.AttrValueLen: uint64(32)})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestStreamsOfAnyLength(t *testing.T) {
	ctx := t.Context()
	s := hsmtest.Start(t).Login(t, command.RoleCO)
	data, hmac := large(), command.Mechanism{Type: command.MechSHA256HMAC}
	key := secret(t, s, command.MechGenericSecretGen)
	digest, err := s.DigestReader(ctx, command.MechSHA256, bytes.NewReader(data))
	if want := sha256.Sum256(data); err != nil || !bytes.Equal(digest, want[:]) {
		t.Errorf("digest %x, %v", digest, err)
	}
	mac, err := s.SignReader(ctx, hmac, key, iotest.HalfReader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(ctx, hmac, key, data, mac); err != nil {
		t.Error(err)
	}
	if err := s.VerifyReader(ctx, hmac, key, bytes.NewReader(data), mac); err != nil {
		t.Error(err)
	}
	data[len(data)-1] ^= 1
	if err := s.VerifyReader(ctx, hmac, key, bytes.NewReader(data), mac); !errors.Is(err, command.StatusSignatureInvalid) {
		t.Errorf("other data: %v", err)
	}
}

func TestCiphersOfStreams(t *testing.T) {
	ctx := t.Context()
	s := hsmtest.Start(t).Login(t, command.RoleCO)
	data, key := large(), secret(t, s, command.MechAESKeyGen)
	for _, m := range []command.Mechanism{
		{Type: command.MechAESGCM}, {Type: command.MechAESCBCPad, IV: make([]byte, 16)}, {Type: command.MechAESCTR, IV: make([]byte, 16)},
	} {
		t.Run(m.Type.String(), func(t *testing.T) {
			var sealed, opened bytes.Buffer
			err := s.EncryptReader(ctx, m, key, &sealed, bytes.NewReader(data), func(iv []byte) error {
				if m.IV == nil {
					m.IV = iv
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.DecryptReader(ctx, m, key, &opened, bytes.NewReader(sealed.Bytes())); err != nil || !bytes.Equal(opened.Bytes(), data) {
				t.Errorf("%d bytes, %v", opened.Len(), err)
			}
		})
	}
}

// TestAStreamThatBreaksLeavesNothingUnderWay has the host's own reader or writer
// fail, or its context end, and wants the session free for another operation.
func TestAStreamThatBreaksLeavesNothingUnderWay(t *testing.T) {
	s := hsmtest.Start(t).Login(t, command.RoleCO)
	key, broken := secret(t, s, command.MechAESKeyGen), errors.New("broken")
	ctr := command.Mechanism{Type: command.MechAESCTR, IV: make([]byte, 16)}
	halfway := io.MultiReader(bytes.NewReader(large()), iotest.ErrReader(broken))
	cancelled, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		ctx  context.Context
		to   io.Writer
		from io.Reader
		want error
	}{
		"reader":  {t.Context(), io.Discard, halfway, broken},
		"writer":  {t.Context(), failing{broken}, bytes.NewReader(large()), broken},
		"context": {cancelled, io.Discard, &cancelling{bytes.NewReader(large()), cancel}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.EncryptReader(c.ctx, ctr, key, c.to, c.from, nil)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if err := s.EncryptReader(t.Context(), ctr, key, io.Discard, bytes.NewReader(nil), nil); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// cancelling ends a context while there is still data.
type cancelling struct {
	io.Reader
	cancel func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	c.cancel()
	return c.Reader.Read(p)
}

func TestAStepOfAnOperationThatIsOverLeavesTheLinkAlone(t *testing.T) {
	ctx := t.Context()
	s := hsmtest.Start(t).Login(t, command.RoleCO)
	over, err := s.Begin(ctx, command.OperationDigest, command.Mechanism{Type: command.MechSHA256}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := over.Finish(ctx, nil); err != nil {
		t.Fatal(err)
	}
	steps := map[string]func() error{
		"update":     func() error { _, err := over.Update(ctx, []byte("more")); return err },
		"finish":     func() error { _, err := over.Finish(ctx, nil); return err },
		"digest-key": func() error { return over.DigestKey(ctx, 1) },
		"cancel":     func() error { return over.Cancel(ctx) },
	}
	for name, step := range steps {
		if err := step(); !errors.Is(err, command.StatusOperationNotInitialized) {
			t.Errorf("%s: %v, want %v", name, err, command.StatusOperationNotInitialized)
		}
	}
	if info, err := s.Info(ctx); err != nil || info.Role != command.RoleCO {
		t.Errorf("the session afterwards: %+v, %v", info, err)
	}
}
