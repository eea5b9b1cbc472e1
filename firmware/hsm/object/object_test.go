package object_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
)

var (
	aesKey     = object.Spec{Class: command.ClassSecretKey, KeyType: command.KeyAES, Mechanism: command.MechAESKeyGen}
	genericKey = object.Spec{Class: command.ClassSecretKey, KeyType: command.KeyGenericSecret, Mechanism: command.MechGenericSecretGen}
	rsaPublic  = object.Spec{Class: command.ClassPublicKey, KeyType: command.KeyRSA, Mechanism: command.MechRSAKeyPairGen}
	rsaPrivate = object.Spec{Class: command.ClassPrivateKey, KeyType: command.KeyRSA, Mechanism: command.MechRSAKeyPairGen}
	ecPublic   = object.Spec{Class: command.ClassPublicKey, KeyType: command.KeyEC, Mechanism: command.MechECKeyPairGen}
	ecPrivate  = object.Spec{Class: command.ClassPrivateKey, KeyType: command.KeyEC, Mechanism: command.MechECKeyPairGen}
)

func specs() []object.Spec {
	return []object.Spec{aesKey, genericKey, rsaPublic, rsaPrivate, ecPublic, ecPrivate}
}

// smallest is a template with no more than a spec needs.
func smallest(s object.Spec) command.Template {
	switch s {
	case aesKey, genericKey:
		return command.Template{command.AttrValueLen: uint64(16)}
	case rsaPublic:
		return command.Template{command.AttrModulusBits: uint64(2048)}
	case ecPublic:
		return command.Template{command.AttrECParams: mech.Curves()[0].OID}
	}
	return command.Template{}
}

func with(t command.Template, typ command.AttributeType, value any) command.Template {
	copied := command.Template{typ: value}
	maps.Copy(copied, t)
	copied[typ] = value
	return copied
}

// make builds an AES object from a template.
func makeAES(t testing.TB, handle command.Handle, template command.Template) *object.Object {
	t.Helper()
	draft, err := object.Make(aesKey, with(template, command.AttrValueLen, uint64(16)))
	if err != nil {
		t.Fatal(err)
	}
	return draft.Object(handle, 0, make([]byte, 16), "unique")
}

func TestDefaults(t *testing.T) {
	o := makeAES(t, 1, nil)
	got, err := o.Attributes(nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	want := command.Template{
		command.AttrClass: command.ClassSecretKey, command.AttrKeyType: command.KeyAES,
		command.AttrToken: false, command.AttrPrivate: true, command.AttrModifiable: true,
		command.AttrLabel: "", command.AttrID: []byte{}, command.AttrValueLen: uint64(16),
		command.AttrSensitive: true, command.AttrAlwaysSensitive: true,
		command.AttrExtractable: false, command.AttrNeverExtractable: true,
		command.AttrEncrypt: true, command.AttrDecrypt: true, command.AttrSign: false, command.AttrVerify: false,
		command.AttrWrap: false, command.AttrUnwrap: false, command.AttrDerive: false, command.AttrWrapWithTrusted: false,
		command.AttrCopyable: true, command.AttrDestroyable: true, command.AttrUniqueID: "unique",
		command.AttrCheckValue: []byte{0x66, 0xE9, 0x4B}, command.AttrAssigned: false,
		command.AttrKeyStatus: uint64(0), command.AttrFailedAuthCount: uint64(0),
		command.AttrLocal: true, command.AttrKeyGenMechanism: uint64(command.MechAESKeyGen),
	}
	if len(got) != len(want) {
		t.Errorf("%d attributes, want %d: %v", len(got), len(want), got)
	}
	for typ, value := range want {
		if b, ok := value.([]byte); ok && bytes.Equal(b, got.Bytes(typ)) {
			continue
		} else if got[typ] != value && !ok {
			t.Errorf("%s is %v, want %v", typ, got[typ], value)
		}
	}
}

// samples has a value of each kind that some attribute takes.
var samples = map[command.Kind]any{command.KindBool: false, command.KindUint: uint64(3), command.KindBytes: []byte{0, 1, 0, 1}, command.KindText: ""}

func TestEveryAttributeIsAdmittedOrRefusedByEverySpec(t *testing.T) {
	for _, s := range specs() {
		for _, row := range command.Attributes {
			value := samples[row.Kind]
			base := smallest(s)
			if given, ok := base[row.Type]; ok {
				value = given
			}
			switch row.Type {
			case command.AttrClass:
				value = s.Class
			case command.AttrKeyType:
				value = s.KeyType
			case command.AttrPrivate, command.AttrSensitive:
				value = true
			case command.AttrPublicExponent:
				value = []byte{1, 0, 1}
			}
			_, err := object.Make(s, with(base, row.Type, value))
			if !row.Given.Has(command.OriginGenerate) && !errors.Is(err, command.StatusAttributeReadOnly) && !errors.Is(err, command.StatusTemplateInconsistent) {
				t.Errorf("%+v with %s: %v", s, row.Name, err)
			}
			if row.Given.Has(command.OriginGenerate) && err != nil && !errors.Is(err, command.StatusTemplateInconsistent) {
				t.Errorf("%+v with %s: %v", s, row.Name, err)
			}
		}
	}
}

func TestRefusedTemplates(t *testing.T) {
	type tc struct {
		spec object.Spec
		typ  command.AttributeType
		v    any
		want command.Status
	}
	for name, c := range map[string]tc{
		"unknown attribute":      {aesKey, 0x9999, true, command.StatusAttributeTypeInvalid},
		"value of a wrong kind":  {aesKey, command.AttrLabel, true, command.StatusAttributeValueInvalid},
		"value of no kind":       {aesKey, command.AttrLabel, 3.5, command.StatusAttributeValueInvalid},
		"long label":             {aesKey, command.AttrLabel, strings.Repeat("x", 256), command.StatusAttributeValueInvalid},
		"long id":                {aesKey, command.AttrID, make([]byte, 65), command.StatusAttributeValueInvalid},
		"value given":            {aesKey, command.AttrValue, make([]byte, 16), command.StatusAttributeReadOnly},
		"local given":            {aesKey, command.AttrLocal, true, command.StatusAttributeReadOnly},
		"wrong class":            {aesKey, command.AttrClass, command.ClassPublicKey, command.StatusTemplateInconsistent},
		"wrong key type":         {aesKey, command.AttrKeyType, command.KeyRSA, command.StatusTemplateInconsistent},
		"secret key not private": {aesKey, command.AttrPrivate, false, command.StatusTemplateInconsistent},
		"secret key in clear":    {aesKey, command.AttrSensitive, false, command.StatusSecretMustBeSensitive},
		"private key in clear":   {ecPrivate, command.AttrSensitive, false, command.StatusPrivateMustBeSensitive},
		"sensitive public key":   {ecPublic, command.AttrSensitive, true, command.StatusTemplateInconsistent},
		"signing public key":     {ecPublic, command.AttrSign, true, command.StatusTemplateInconsistent},
		"curve of a private key": {ecPrivate, command.AttrECParams, mech.Curves()[0].OID, command.StatusTemplateInconsistent},
		"curve of an RSA key":    {rsaPublic, command.AttrECParams, mech.Curves()[0].OID, command.StatusTemplateInconsistent},
		"exponent 3":             {rsaPublic, command.AttrPublicExponent, []byte{3}, command.StatusAttributeValueInvalid},
		"empty exponent":         {rsaPublic, command.AttrPublicExponent, []byte{}, command.StatusAttributeValueInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := object.Make(c.spec, with(smallest(c.spec), c.typ, c.v)); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	for _, s := range []object.Spec{aesKey, genericKey, rsaPublic, ecPublic} {
		if _, err := object.Make(s, nil); !errors.Is(err, command.StatusTemplateIncomplete) {
			t.Errorf("%+v without a size: %v", s, err)
		}
	}
}

func TestExtractableIsRemembered(t *testing.T) {
	o := makeAES(t, 1, command.Template{command.AttrExtractable: true})
	got, err := o.Attributes([]command.AttributeType{command.AttrExtractable, command.AttrNeverExtractable}, time.Time{})
	if err != nil || got.Bool(command.AttrNeverExtractable, true) || !got.Bool(command.AttrExtractable, false) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestReadingAttributes(t *testing.T) {
	o := makeAES(t, 1, nil)
	for typ, want := range map[command.AttributeType]command.Status{
		command.AttrValue:    command.StatusAttributeSensitive,
		command.AttrModulus:  command.StatusAttributeNotFound,
		0x9999:               command.StatusAttributeTypeInvalid,
		command.AttrECParams: command.StatusAttributeNotFound,
	} {
		if _, err := o.Attributes([]command.AttributeType{command.AttrLabel, typ}, time.Time{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", typ, err, want)
		}
	}
	public := object.Object{}
	if _, err := public.Attributes([]command.AttributeType{command.AttrValue}, time.Time{}); !errors.Is(err, command.StatusAttributeNotFound) {
		t.Errorf("value of a public key: %v", err)
	}
}

func TestChangingAttributes(t *testing.T) {
	o := makeAES(t, 1, command.Template{command.AttrLabel: "before"})
	changed, err := o.Changed(command.Template{command.AttrLabel: "after", command.AttrEncrypt: false})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := changed.Key(command.AttrEncrypt, []uint64{command.KeyAES}, command.MechAESGCM); !errors.Is(err, command.StatusKeyInvalidForOperation) {
		t.Errorf("encrypting with encrypt=false: %v", err)
	}
	if _, err := o.Key(command.AttrEncrypt, []uint64{command.KeyAES}, command.MechAESGCM); err != nil {
		t.Errorf("the object before the change: %v", err)
	}
	fixed := makeAES(t, 2, command.Template{command.AttrModifiable: false})
	for name, c := range map[string]struct {
		o    *object.Object
		t    command.Template
		want command.Status
	}{
		"nothing":           {o, command.Template{}, command.StatusTemplateIncomplete},
		"not modifiable":    {fixed, command.Template{command.AttrLabel: "x"}, command.StatusAttributeReadOnly},
		"fixed attribute":   {o, command.Template{command.AttrToken: true}, command.StatusAttributeReadOnly},
		"sensitive":         {o, command.Template{command.AttrSensitive: false}, command.StatusAttributeReadOnly},
		"value":             {o, command.Template{command.AttrValue: []byte{1}}, command.StatusAttributeReadOnly},
		"unknown attribute": {o, command.Template{0x9999: true}, command.StatusAttributeTypeInvalid},
		"wrong kind":        {o, command.Template{command.AttrLabel: uint64(1)}, command.StatusAttributeValueInvalid},
		"long label":        {o, command.Template{command.AttrLabel: strings.Repeat("x", 256)}, command.StatusAttributeValueInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.o.Changed(c.t); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	draft, err := object.Make(ecPublic, smallest(ecPublic))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := draft.Object(3, 0, nil, "u").Changed(command.Template{command.AttrSign: true}); !errors.Is(err, command.StatusAttributeNotFound) {
		t.Errorf("sign on a public key: %v", err)
	}
}

func TestStoredObjectsComeBack(t *testing.T) {
	pair, err := mech.GenerateEC(command.KeyEC, mech.Curves()[1].OID, mech.Entropy{Reader: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	draft, err := object.Make(ecPrivate, command.Template{command.AttrLabel: "k", command.AttrID: []byte{7}, command.AttrToken: true})
	if err != nil {
		t.Fatal(err)
	}
	draft.TakePair(pair)
	o := draft.Object(9, 0, pair.Private, "u")
	data, err := o.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := object.Unmarshal(9, data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Marshal()
	if err != nil || !bytes.Equal(again, data) || back.Handle != 9 || !back.Private || !back.Token() {
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := back.Key(command.AttrSign, []uint64{command.KeyEC}, command.MechECDSA); err != nil {
		t.Error(err)
	}
}

func TestDamagedStoredObjectsAreErrors(t *testing.T) {
	broken, err := command.Marshal(map[int]any{1: map[int]any{0x9999: true}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"empty": nil, "junk": []byte("junk"), "unknown attribute": broken} {
		if _, err := object.Unmarshal(1, data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	damaged := makeAES(t, 1, nil)
	data, err := damaged.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	o, err := object.Unmarshal(1, bytes.Replace(data, append([]byte{0x50}, make([]byte, 16)...), append([]byte{0x43}, make([]byte, 3)...), 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Key(command.AttrEncrypt, []uint64{command.KeyAES}, command.MechAESGCM); !errors.Is(err, command.StatusDeviceError) {
		t.Errorf("key of three bytes: %v", err)
	}
}

func TestRefusedQueries(t *testing.T) {
	for typ, c := range map[command.AttributeType]struct {
		value any
		want  command.Status
	}{
		command.AttrValue: {[]byte{1}, command.StatusAttributeSensitive},
		0x9999:            {true, command.StatusAttributeTypeInvalid},
		command.AttrLabel: {uint64(1), command.StatusAttributeValueInvalid},
	} {
		if _, err := object.NewQuery(command.Template{typ: c.value}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", typ, err, c.want)
		}
	}
}
