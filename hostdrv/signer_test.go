package hostdrv

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"usbhsm7/firmware/command"
)

func rsaTestKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// The DigestInfo is checked by handing it to crypto/rsa as data without a hash:
// the signature must verify as one with that hash.
func TestDigestInfoIsThatOfPKCS1(t *testing.T) {
	key := rsaTestKey(t)
	for hash, h := range hashes {
		digest := make([]byte, h.size)
		info, err := digestInfo(hash, digest)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := rsa.SignPKCS1v15(nil, key, 0, info)
		if err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, hash, digest, signature); err != nil {
			t.Errorf("%v: %v", hash, err)
		}
	}
}

func TestSignerRefusesWhatTheDeviceCannotDo(t *testing.T) {
	k := &Signer{public: &rsaTestKey(t).PublicKey} // without a session: nothing may be sent
	tests := []struct {
		name   string
		digest int // bytes
		opts   crypto.SignerOpts
		want   command.Status
	}{
		{"digest of another length", 20, crypto.SHA256, command.StatusDataLenRange},
		{"hash that the device lacks", 64, crypto.BLAKE2b_512, command.StatusMechanismParamInvalid},
		{"hash that nobody knows", 64, crypto.Hash(999), command.StatusMechanismParamInvalid},
		{"PSS without a hash", 32, &rsa.PSSOptions{}, command.StatusMechanismParamInvalid},
		{"PSS with a negative salt", 32, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: -7}, command.StatusMechanismParamInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := k.Sign(nil, make([]byte, test.digest), test.opts); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

// marshalDER encodes a value that cannot fail.
func marshalDER(t *testing.T, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// ecTemplate returns the attributes of key as a device tells them.
func ecTemplate(t *testing.T, key *ecdsa.PublicKey, oid asn1.ObjectIdentifier) command.Template {
	t.Helper()
	point, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return command.Template{
		command.AttrKeyType: command.KeyEC, command.AttrECParams: marshalDER(t, oid), command.AttrECPoint: marshalDER(t, point),
	}
}

func TestPublicKeysAreReadFromAttributes(t *testing.T) {
	for _, known := range curves {
		key, err := ecdsa.GenerateKey(known.curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ecKey(ecTemplate(t, &key.PublicKey, known.oid))
		if err != nil || !got.Equal(&key.PublicKey) {
			t.Errorf("%s: %v, or another key", known.curve.Params().Name, err)
		}
	}
	want := rsaTestKey(t).PublicKey
	got, err := rsaKey(command.Template{
		command.AttrModulus: want.N.Bytes(), command.AttrPublicExponent: big.NewInt(int64(want.E)).Bytes(),
	})
	if err != nil || !got.Equal(&want) {
		t.Errorf("RSA: %v, or another key", err)
	}
}

func TestPublicKeysThatMakeNoSenseAreRefused(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sound := ecTemplate(t, &key.PublicKey, curves[0].oid)
	with := func(typ command.AttributeType, value []byte) command.Template {
		return command.Template{
			command.AttrECParams: sound[command.AttrECParams], command.AttrECPoint: sound[command.AttrECPoint], typ: value,
		}
	}
	point := sound.Bytes(command.AttrECPoint)
	for name, template := range map[string]command.Template{
		"no parameters":          with(command.AttrECParams, nil),
		"bytes after a point":    with(command.AttrECPoint, append(bytes.Clone(point), 0)),
		"point without DER":      with(command.AttrECPoint, point[2:]),
		"point of another curve": with(command.AttrECParams, marshalDER(t, curves[1].oid)),
	} {
		if _, err := ecKey(template); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v, want %v", name, err, ErrProtocol)
		}
	}
	other := with(command.AttrECParams, marshalDER(t, asn1.ObjectIdentifier{1, 3, 132, 0, 10}))
	if _, err := ecKey(other); !errors.Is(err, command.StatusKeyTypeInconsistent) {
		t.Errorf("unknown curve: %v, want %v", err, command.StatusKeyTypeInconsistent)
	}
	for name, template := range map[string]command.Template{
		"nothing":           {},
		"even a short one":  {command.AttrModulus: []byte{0xff}, command.AttrPublicExponent: []byte{3}},
		"exponent 1":        {command.AttrModulus: rsaTestKey(t).N.Bytes(), command.AttrPublicExponent: []byte{1}},
		"exponent too long": {command.AttrModulus: rsaTestKey(t).N.Bytes(), command.AttrPublicExponent: bytes.Repeat([]byte{3}, 9)},
	} {
		if _, err := rsaKey(template); !errors.Is(err, ErrProtocol) {
			t.Errorf("RSA, %s: %v, want %v", name, err, ErrProtocol)
		}
	}
}

// A device may keep the point with the public key alone.
func TestSignerFindsThePublicKeyWithTheSameID(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const private, public = 11, 12
	own := command.Template{command.AttrKeyType: command.KeyEC, command.AttrID: []byte("id")}
	tests := []struct {
		name  string
		own   command.Template
		found []command.Handle // nil: it does not ask
		want  error
	}{
		{"one", own, []command.Handle{public}, nil},
		{"none", own, []command.Handle{}, command.StatusAttributeNotFound},
		{"two", own, []command.Handle{public, 13}, command.StatusAttributeNotFound},
		{"no id", command.Template{command.AttrKeyType: command.KeyEC}, nil, command.StatusAttributeNotFound},
		{"no key pair", command.Template{command.AttrKeyType: command.KeyAES}, nil, command.StatusKeyTypeInconsistent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, 1, func(t *testing.T, dev *Device, d *fakeDevice) {
				var signer *Signer
				done := make(chan error, 1)
				go func() {
					var err error
					signer, err = (&Session{device: dev, conn: dev.conn}).Signer(t.Context(), private)
					done <- err
				}()
				d.answer(d.next(), &command.GetAttributesResponse{Attributes: test.own})
				if test.found != nil {
					d.answer(d.next(), &command.FindObjectsResponse{Objects: test.found})
				}
				if test.want == nil {
					d.answer(d.next(), &command.GetAttributesResponse{Attributes: ecTemplate(t, &key.PublicKey, curves[0].oid)})
				}
				err := <-done
				if !errors.Is(err, test.want) {
					t.Fatalf("error %v, want %v", err, test.want)
				}
				if err == nil && !key.PublicKey.Equal(signer.Public()) {
					t.Error("another public key")
				}
			})
		})
	}
}
