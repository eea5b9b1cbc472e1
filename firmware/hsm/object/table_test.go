package object

import (
	"testing"

	"usbhsm7/firmware/command"
)

// The tables of attributes in both packages are about the same attributes.
func TestEveryAttributeBelongsToSomeObjects(t *testing.T) {
	for _, row := range command.Attributes {
		if p, ok := presences[row.Type]; !ok || p.classes == 0 || p.classes&onKey != 0 && p.families == 0 {
			t.Errorf("%s: %+v", row.Name, p)
		}
	}
	if len(presences) != len(command.Attributes) {
		t.Errorf("%d attributes here, %d in the table", len(presences), len(command.Attributes))
	}
}

func TestEveryKindOfKeyHasOneFamilyAndFitsItsClasses(t *testing.T) {
	for keyType, k := range kinds {
		if k.family&(k.family-1) != 0 || k.family == 0 {
			t.Errorf("key type %#x has the families %b", keyType, k.family)
		}
		secret := fits(command.ClassSecretKey, keyType)
		if secret == fits(command.ClassPublicKey, keyType) || secret == fits(command.ClassPrivateKey, keyType) {
			t.Errorf("key type %#x is for secret keys and for pairs", keyType)
		}
	}
}
