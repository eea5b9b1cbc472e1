package boot_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"usbhsm7/firmware/boot"
)

// fullLicence has a value in every field.
func fullLicence() *boot.Licence {
	return &boot.Licence{
		Schema: boot.LicenceSchema, ID: 7, Name: "licence", Serial: "7000001", Destroys: true, Storage: 32 << 20,
		Grants: []boot.Grant{{Table: boot.HSMPolicies, ID: 50, Capability: 1}, {Table: boot.PartitionPolicies, ID: 37, Capability: 1}},
	}
}

func TestLicenceIsWhatWasEncoded(t *testing.T) {
	want := fullLicence()
	encoded, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := boot.DecodeLicence(encoded); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v (%v), want %+v", got, err, want)
	}
	for n := range encoded {
		if _, err := boot.DecodeLicence(encoded[:n]); !errors.Is(err, boot.ErrImage) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestLicenceThatMakesNoSenseIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*boot.Licence){
		"schema":           func(l *boot.Licence) { l.Schema = 2 },
		"no name":          func(l *boot.Licence) { l.Name = "" },
		"grants nothing":   func(l *boot.Licence) { l.Grants, l.Storage = nil, 0 },
		"negative storage": func(l *boot.Licence) { l.Storage = -1 },
		"no table":         func(l *boot.Licence) { l.Grants[0].Table = 0 },
		"unsorted":         func(l *boot.Licence) { l.Grants[0], l.Grants[1] = l.Grants[1], l.Grants[0] },
		"twice the same":   func(l *boot.Licence) { l.Grants[1] = l.Grants[0] },
	} {
		l := fullLicence()
		spoil(l)
		if _, err := l.Encode(); !errors.Is(err, boot.ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecodeLicence decodes arbitrary payloads: what is taken has one encoding.
func FuzzDecodeLicence(f *testing.F) {
	encoded, err := fullLicence().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := boot.DecodeLicence(b)
		if err != nil {
			if !errors.Is(err, boot.ErrImage) {
				t.Fatal(err)
			}
			return
		}
		if again, err := l.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("encodes as %x (%v)", again, err)
		}
	})
}
