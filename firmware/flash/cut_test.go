package flash_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/flash"
)

func TestCutIsReadFromItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := flash.CutAt(rapid.IntRange(1, 1<<31-1).Draw(t, "number"), flash.Operation{
			Kind: flash.Kind(rapid.IntRange(1, 3).Draw(t, "kind")), Addr: rapid.Int64Range(0, 1<<40).Draw(t, "addr"),
		}, flash.Outcome{Mode: flash.Mode(rapid.IntRange(1, 6).Draw(t, "mode")), Seed: rapid.Uint64().Draw(t, "seed")})
		if again, err := flash.ParseCut(c.String()); err != nil || again != c {
			t.Errorf("%v: %v, %v", c, again, err)
		}
	})
}

func TestTextThatNamesNoCutIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "prog", "prog@0x4100", "prog@0x4100#37", "prog@0x4100#37:", "prog@0x4100#37:bits:", "prog@0x4100#37:bits:0",
		"prog@0x4100#37:bits:x", "prog@0x4100#37:bits:17:1", "@0x4100#37:bits", "read@0x4100#37:bits", "prog@16640#37:bits",
		"prog@0x4100#x:bits", "prog@x#37:bits", "prog@0x4100#+37:bits", " prog@0x4100#37:bits", "prog@0x4100#0:bits", "prog@0x4100#-1:bits",
	} {
		if c, err := flash.ParseCut(text); !errors.Is(err, flash.ErrCut) {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
}
