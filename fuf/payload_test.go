package fuf_test

import (
	"os"
	"path/filepath"
	"testing"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// The payloads of a capability update and of a functional module, as docs/fuf-format.md
// describes them, byte by byte: what reads them is above this package.
const (
	licencePayload = "\xa4" + // a map of 4
		"\x01\x01" + // schema 1
		"\x02\x07" + // ID 7
		"\x03\x74automatic activation" +
		"\x06\x81\xa3\x01\x01\x02\x18\x33\x03\x01" // one grant: of the HSM's capabilities number 51, which becomes 1
	modulePayload = "\xa3" + // a map of 3
		"\x01\x65empty" +
		"\x02\x83\x01\x02\x03" + // version 1.2.3
		"\x03\x48\x00asm\x01\x00\x00\x00" // the shortest module of WebAssembly
)

func payloadCases() []vectorCase {
	carries := func(kind fuf.Kind, payload string) func(*maker) []byte {
		return func(m *maker) []byte {
			return signedBy(m.t, draft(m.t, fuf.Release{
				Kind: kind, Product: "usbhsm7", Models: []string{"U700"}, Version: fuf.V(1, 2, 3),
				ValidFrom: []fuf.Range{{From: fuf.V(7, 7, 0), To: fuf.V(8, 99, 0)}},
				Data:      fuf.DataChange{From: 1, To: 2, Class: fuf.MigrateInPlace}, Rollback: fuf.RollbackDestroys,
			}, []byte(payload)), testkeys.Vendor()...)
		}
	}
	return []vectorCase{
		{"licence", "", "a capability update for any device of model U700: licence 7, which raises capability 51 of the HSM", carries(fuf.Capability, licencePayload)},
		{"module", "", "the functional module empty 1.2.3, without a function", carries(fuf.Module, modulePayload)},
	}
}

// TestAnIndependentImplementationReadsLicencesAndModules has the oracle verify, decrypt
// and read the vectors of files that are not firmware.
func TestAnIndependentImplementationReadsLicencesAndModules(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		holds   func(item) bool
	}{
		"licence.fuf": {licencePayload, func(i item) bool {
			grant := i.at(6).children[0]
			return i.at(2).number == 7 && string(i.at(3).bytes) == "automatic activation" && grant.at(1).number == 1 && grant.at(2).number == 51 && grant.at(3).number == 1
		}},
		"module.fuf": {modulePayload, func(i item) bool {
			return string(i.at(1).bytes) == "empty" && i.at(2).children[1].number == 2 && string(i.at(3).bytes[:4]) == "\x00asm"
		}},
	} {
		file, err := os.ReadFile(filepath.Join(vectorDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := oracle(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		payload := oracleDecrypt(t, file)
		read, ok := walk(payload)
		if !ok || string(payload) != c.payload || !c.holds(read) {
			t.Errorf("%s carries %x", name, payload)
		}
	}
}
