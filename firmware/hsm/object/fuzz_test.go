package object_test

import (
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
)

// FuzzTemplates gives whatever decodes as a template to all that takes one. What
// is made of it is private and sensitive if it is a private or secret key, shows
// no secret, can be stored, and comes back as it was.
func FuzzTemplates(f *testing.F) {
	for _, t := range []command.Template{
		{command.AttrClass: command.ClassData, command.AttrValue: []byte("x"), command.AttrLabel: "data"},
		{command.AttrClass: command.ClassCertificate, command.AttrValue: []byte{0x30, 0}, command.AttrSubject: []byte{0x30, 0}},
		{command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyAES, command.AttrValue: make([]byte, 16), command.AttrStartDate: "20260101"},
		{command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyDES3, command.AttrValue: make([]byte, 24), command.AttrUsageLimit: uint64(1)},
		{command.AttrClass: command.ClassPrivateKey, command.AttrKeyType: command.KeyEC, command.AttrECParams: []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}, command.AttrValue: []byte{1}},
		{command.AttrClass: command.ClassPublicKey, command.AttrKeyType: command.KeyRSA, command.AttrModulus: make([]byte, 256), command.AttrPublicExponent: []byte{3}},
		{command.AttrSensitive: false, command.AttrExtractable: true, command.AttrPrivate: false, command.AttrAllowedMechanisms: []byte{0, 0, 0, 1}},
	} {
		payload, err := command.Marshal(&command.CreateObjectRequest{Template: t})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var r command.CreateObjectRequest
		if command.Unmarshal(payload, &r) != nil {
			return
		}
		if q, err := object.NewQuery(r.Template); err == nil {
			object.NewSet([]*object.Object{makeAES(t, 1, nil)}).Find(&q, 0, true, 10, nil)
		}
		_, _ = makeAES(t, 1, nil).Changed(r.Template)
		for _, s := range specs() {
			_, _ = object.Make(s, r.Template)
		}
		s, err := object.SpecOf(command.OriginCreate, r.Template)
		if err != nil {
			return
		}
		d, err := object.Make(s, r.Template)
		if err != nil {
			return
		}
		value, err := d.TakeValue()
		if err != nil {
			return
		}
		checkMade(t, d.Object(1, 0, value, "unique"))
	})
}

func checkMade(t *testing.T, o *object.Object) {
	attributes, err := o.Attributes(nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if class := o.Class(); class == command.ClassPrivateKey || class == command.ClassSecretKey {
		if !o.Private || !o.Is(command.AttrSensitive) || o.Is(command.AttrLocal) || o.Is(command.AttrAlwaysSensitive) || o.Is(command.AttrNeverExtractable) {
			t.Fatalf("%v", attributes)
		}
		for typ := range attributes {
			if row, _ := command.LookupAttribute(typ); row.Secret {
				t.Fatalf("%s can be read", typ)
			}
		}
	}
	data, err := o.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := object.Unmarshal(1, data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := back.Marshal(); err != nil || string(again) != string(data) {
		t.Fatalf("%x comes back as %x, %v", data, again, err)
	}
}
