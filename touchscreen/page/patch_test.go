package page

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/touchscreen"
)

// apply does what a browser does with patches.
func apply(t testing.TB, picture *image.RGBA, patches []byte) {
	t.Helper()
	for len(patches) > 0 {
		at := image.Pt(int(binary.BigEndian.Uint16(patches)), int(binary.BigEndian.Uint16(patches[2:])))
		length := binary.BigEndian.Uint32(patches[4:])
		part, err := png.Decode(bytes.NewReader(patches[8 : 8+length]))
		if err != nil {
			t.Fatal(err)
		}
		draw.Draw(picture, part.Bounds().Add(at), part, image.Point{}, draw.Src)
		patches = patches[8+length:]
	}
}

// TestPatchesMakeThePicture: what the browser has after patches is what was drawn,
// however little or much has changed.
func TestPatchesMakeThePicture(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := image.Pt(rapid.IntRange(1, 70).Draw(r, "width"), rapid.IntRange(1, 70).Draw(r, "height"))
		before := image.NewRGBA(image.Rectangle{Max: size})
		draw.Draw(before, before.Bounds(), image.Black, image.Point{}, draw.Src)
		after := image.NewRGBA(before.Bounds())
		copy(after.Pix, before.Pix)
		for range rapid.IntRange(0, 400).Draw(r, "pixels") {
			x, y := rapid.IntRange(0, size.X-1).Draw(r, "x"), rapid.IntRange(0, size.Y-1).Draw(r, "y")
			after.SetRGBA(x, y, color.RGBA{rapid.Byte().Draw(r, "red"), uint8(x), uint8(y), 0xff})
		}
		b, err := patches(before, after)
		if err != nil {
			r.Fatal(err)
		}
		if apply(t, before, b); !bytes.Equal(before.Pix, after.Pix) {
			r.Fatal("another picture")
		}
		if again, _ := patches(before, after); len(again) > 0 {
			r.Fatal("patches between pictures that are the same")
		}
	})
}

func TestWhatIsNotSeenYetIsSentWhole(t *testing.T) {
	picture := image.NewRGBA(image.Rect(0, 0, 40, 24))
	for i := range picture.Pix {
		picture.Pix[i] = 0xff
	}
	for name, before := range map[string]*image.RGBA{"nothing": nil, "another size": image.NewRGBA(image.Rect(0, 0, 8, 8))} {
		b, err := patches(before, picture)
		if err != nil {
			t.Fatal(err)
		}
		seen := image.NewRGBA(picture.Bounds())
		if apply(t, seen, b); !bytes.Equal(seen.Pix, picture.Pix) {
			t.Errorf("%s before: another picture", name)
		}
	}
}

// FuzzParse: requests are read or refused, and never half.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"do":"tap","x":240,"y":740,"screen":3}`, `{"do":"key","key":"Enter"}`, `{"do":"insert","name":"SO 1"}`,
		`{"do":"make","name":"CO","colour":"black"}`, `{"do":"erase"}`, `{"do":`, `[]`, `null`, ``, `{"do":"tap","x":1e400}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parse(b)
		if err != nil && r != (request{}) {
			t.Errorf("%+v with %v", r, err)
		}
		if err == nil && (dos[r.Do] == nil || len(b) > maxRequest) {
			t.Errorf("%+v was not refused", r)
		}
	})
}

// BenchmarkPatches reports how many bytes of picture a browser is sent for what
// people do.
func BenchmarkPatches(b *testing.B) {
	pin := touchscreen.Screen{Kind: touchscreen.PIN, Title: "PIN of the iKey", Text: []string{"HSM SO, key 1 of 3"}, Min: 4, Max: 48, Cancel: true}
	home := touchscreen.Screen{Unit: touchscreen.Unit{Model: "USB HSM 7", Label: "Root CA 2026", Serial: "7001234", Firmware: "7.9.2", State: "Ready"}}
	insert := touchscreen.Screen{Kind: touchscreen.Prompt, Icon: touchscreen.InsertKey, Title: "Insert a blue iKey", Text: []string{"HSM SO: key 2 of 3."}, Cancel: true}
	progress := touchscreen.Screen{Kind: touchscreen.Progress, Title: "Writing the iKey", Text: []string{"Do not pull it out."}, Value: 42}
	further := progress
	further.Value++
	tests := []struct {
		name   string
		before *touchscreen.Screen
		after  touchscreen.Screen
		key    string
	}{
		{"first picture", nil, home, ""},
		{"another screen", &home, insert, ""},
		{"PIN pad", &insert, pin, ""},
		{"first digit", &pin, pin, "1"},
		{"progress", &progress, further, ""},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			panel, err := touchscreen.New(nil)
			if err != nil {
				b.Fatal(err)
			}
			var before *image.RGBA
			if test.before != nil {
				panel.Show(*test.before)
				before = panel.Frame().Image
			}
			panel.Show(test.after)
			panel.Press(test.key)
			after := panel.Frame().Image
			var size int
			for b.Loop() {
				sent, err := patches(before, after)
				if err != nil {
					b.Fatal(err)
				}
				size = len(sent)
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
