package ring

import (
	"bytes"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/ikey"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var pin = []byte("12345678")

// contents are what key i of a set of three holds.
func contents(i uint8) ikey.Contents {
	return ikey.Contents{
		Kind: ikey.SO, Set: ikey.Set{15: 0xaf}, M: 2, N: 3, Index: i,
		Share: bytes.Repeat([]byte{0x11 * i}, ikey.SecretSize), Check: bytes.Repeat([]byte{0x22}, ikey.CheckSize),
	}
}

func equal(a, b ikey.Contents) bool {
	return a.Kind == b.Kind && a.Set == b.Set && a.M == b.M && a.N == b.N && a.Index == b.Index &&
		bytes.Equal(a.Share, b.Share) && bytes.Equal(a.Check, b.Check)
}

// hands are a person's, with keys and a device in front.
type hands struct {
	*Ring
	t      testing.TB
	port   *ikey.Port
	device *ikey.Reader
}

func newHands(t testing.TB) *hands {
	t.Helper()
	port := ikey.NewPort()
	h := &hands{Ring: New(port, nil), t: t, port: port, device: ikey.NewReader(port)}
	t.Cleanup(h.Close)
	return h
}

func openHands(t testing.TB, path string) *hands {
	t.Helper()
	port := ikey.NewPort()
	r, err := Open(path, port, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return &hands{Ring: r, t: t, port: port, device: ikey.NewReader(port)}
}

// do fails the test if something did not work.
func (h *hands) do(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// make makes blank keys without stickers.
func (h *hands) make(names ...string) {
	h.t.Helper()
	for _, name := range names {
		h.do(h.Make(name, ""))
	}
}

// write puts a key in, writes it and pulls it out.
func (h *hands) write(name string, c ikey.Contents, pin []byte) {
	h.t.Helper()
	h.do(h.Insert(name))
	h.do(h.device.Write(h.t.Context(), c, pin))
	h.do(h.Remove())
}

func (h *hands) keys() []Key {
	h.t.Helper()
	keys, err := h.Keys()
	h.do(err)
	return keys
}

// key returns a key as it is listed.
func (h *hands) key(name string) Key {
	h.t.Helper()
	keys := h.keys()
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		h.t.Fatalf("no key %q among %v", name, keys)
	}
	return keys[i]
}
