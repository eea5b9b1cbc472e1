package boot_test

import (
	"errors"
	"os"
	"reflect"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
)

// vector reads a file of the vectors of package fuf, whose authentication code all of
// them share.
func vector(t *testing.T, name string) ([]byte, fuf.Authcode) {
	t.Helper()
	file, err := os.ReadFile("../../fuf/testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return file, fuf.Authcode{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
}

// TestVectorsOfLicencesAndModules reads what is in the vectors, which are made from bytes
// that docs/fuf-format.md describes.
func TestVectorsOfLicencesAndModules(t *testing.T) {
	u := newUnit(t)
	for name, c := range map[string]struct {
		kind, other fuf.Kind
		decode      func([]byte) (encoder, error)
		want        encoder
	}{
		"licence.fuf": {
			fuf.Capability, fuf.Module, func(b []byte) (encoder, error) { return boot.DecodeLicence(b) },
			&boot.Licence{Schema: 1, ID: 7, Name: "automatic activation", Grants: []boot.Grant{{Table: boot.HSMPolicies, ID: 51, Capability: 1}}},
		},
		"module.fuf": {
			fuf.Module, fuf.Capability, func(b []byte) (encoder, error) { return boot.DecodeModule(b) },
			&boot.Module{Name: "empty", Version: fuf.V(1, 2, 3), Code: []byte("\x00asm\x01\x00\x00\x00")},
		},
	} {
		file, code := vector(t, name)
		_, payload, err := u.Unpack(file, c.kind, code, facts())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := c.decode(payload)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if again, err := c.want.Encode(); err != nil || string(again) != string(payload) {
			t.Errorf("%s is encoded as %x, %v", name, again, err)
		}
		for _, kind := range []fuf.Kind{fuf.Firmware, c.other} {
			if _, _, err := u.Unpack(file, kind, code, facts()); !errors.Is(err, boot.ErrKind) {
				t.Errorf("%s as %v: %v", name, kind, err)
			}
		}
	}
}

// encoder is a licence or a module.
type encoder interface{ Encode() ([]byte, error) }
