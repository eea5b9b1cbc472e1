package boot_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
)

// full is an image with a value in every field.
func full() *boot.Image {
	return &boot.Image{
		Schema: boot.ImageSchema, Name: "firmware", Version: v793, SecurityVersion: 2, DataSchema: 3,
		Migrations: []boot.Migration{{1, fuf.MigrateInPlace, "adds a field"}, {2, fuf.MigrateCopy, ""}},
		Policies: []boot.Policy{
			{Table: boot.HSMPolicies, ID: 58, Name: "Allow something", Capability: 1, Default: 1, Most: 1, Destroys: 3},
			{Table: boot.PartitionPolicies, ID: 45, Withheld: true},
		},
		Mechanisms: []boot.Mechanism{{Type: 0x1, Withheld: true}, {Type: 0x80000001}},
		Models:     []boot.Model{{"U700", 4 << 20}, {"U790", 0}},
		Modules:    []boot.Module{{"hello", fuf.V(1, 0, 0), []byte("\x00asm")}},
		Resources:  []byte{1, 2, 3},
	}
}

func TestImageIsWhatWasEncoded(t *testing.T) {
	for _, m := range []*boot.Image{full(), boot.Factory()} {
		got, err := boot.DecodeImage(encode(t, m))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v (%v), want %+v", got, err, m)
		}
	}
}

func TestImageThatMakesNoSenseIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*boot.Image){
		"schema":                    func(m *boot.Image) { m.Schema = 2 },
		"no name":                   func(m *boot.Image) { m.Name = "" },
		"control character":         func(m *boot.Image) { m.Name = "a\nb" },
		"gap between migrations":    func(m *boot.Image) { m.Migrations[0].From = 0 },
		"migrations end elsewhere":  func(m *boot.Image) { m.DataSchema = 4 },
		"migration of no class":     func(m *boot.Image) { m.Migrations[0].Class = fuf.MigrateNone },
		"policies not sorted":       func(m *boot.Image) { m.Policies[0], m.Policies[1] = m.Policies[1], m.Policies[0] },
		"policy of no table":        func(m *boot.Image) { m.Policies[1].Table = 3 },
		"policy of no value":        func(m *boot.Image) { m.Policies[0].Least = 2 },
		"policy twice":              func(m *boot.Image) { m.Policies[1] = m.Policies[0] },
		"withheld policy with name": func(m *boot.Image) { m.Policies[1].Name = "x" },
		"mechanism twice":           func(m *boot.Image) { m.Mechanisms[1] = m.Mechanisms[0] },
		"negative storage":          func(m *boot.Image) { m.Models[0].Storage = -1 },
		"models not sorted":         func(m *boot.Image) { m.Models[0].Name = "Z" },
		"module without code":       func(m *boot.Image) { m.Modules[0].Code = nil },
	} {
		m := full()
		spoil(m)
		if _, err := m.Encode(); !errors.Is(err, boot.ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOtherEncodingsOfAnImageAreRefused(t *testing.T) {
	good := encode(t, boot.Factory())
	for name, bad := range map[string][]byte{
		"empty":             {},
		"bytes behind":      append(bytes.Clone(good), 0),
		"cut short":         good[:len(good)-1],
		"longer integer":    append(append([]byte{good[0]}, 0x18, 0x01), good[2:]...),
		"indefinite length": append(append([]byte{0xBF}, good[1:]...), 0xFF),
		"unknown key":       append(append([]byte{good[0] + 1}, good[1:]...), 0x18, 0x63, 0x01),
	} {
		if _, err := boot.DecodeImage(bad); !errors.Is(err, boot.ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecodeImage decodes arbitrary payloads: what is taken has one encoding.
func FuzzDecodeImage(f *testing.F) {
	for _, m := range []*boot.Image{full(), boot.Factory()} {
		b, err := m.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := boot.DecodeImage(b)
		if err != nil {
			if !errors.Is(err, boot.ErrImage) {
				t.Fatal(err)
			}
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("encodes as %x (%v)", again, err)
		}
	})
}

func TestPeopleWriteImagesInJSON(t *testing.T) {
	text, err := json.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	if m, err := boot.ParseImage(text); err != nil || !reflect.DeepEqual(m, full()) {
		t.Errorf("%s became %+v (%v)", text, m, err)
	}
	for name, bad := range map[string]string{
		"no JSON":       "firmware",
		"unknown field": `{"nmae": "firmware"}`,
		"no name":       `{"schema": 1}`,
		"unknown table": `{"schema": 1, "name": "x", "policies": [{"table": "device", "id": 1, "withheld": true}]}`,
		"two values":    string(text) + "{}",
	} {
		if _, err := boot.ParseImage([]byte(bad)); !errors.Is(err, boot.ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
