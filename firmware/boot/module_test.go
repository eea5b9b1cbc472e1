package boot_test

import (
	"bytes"
	"errors"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
)

func TestModulesAreEncodedInOneWay(t *testing.T) {
	m := &boot.Module{Name: "orders", Version: fuf.V(1, 2, 3), Code: []byte("code")}
	encoded, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := boot.DecodeModule(encoded)
	if err != nil || got.Name != m.Name || got.Version != m.Version || !bytes.Equal(got.Code, m.Code) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []*boot.Module{{Name: "", Code: []byte("code")}, {Name: "a\nb", Code: []byte("code")}, {Name: "empty"}} {
		if _, err := bad.Encode(); !errors.Is(err, boot.ErrImage) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func FuzzDecodeModule(f *testing.F) {
	encoded, err := (&boot.Module{Name: "orders", Version: fuf.V(1, 2, 3), Code: []byte("code")}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := boot.DecodeModule(data)
		if err != nil {
			if !errors.Is(err, boot.ErrImage) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%x became %x, %v", data, again, err)
		}
	})
}
