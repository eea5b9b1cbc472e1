package command_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
)

// bulkyShapes returns a maker of each message that goes around the codec.
func bulkyShapes() map[string]func() any {
	bulky := map[string]func() any{}
	for name, shape := range shapes() {
		if shape == nil {
			continue
		}
		if _, ok := shape().(command.Bulky); ok {
			bulky[name] = shape
		}
	}
	return bulky
}

// dataOf returns the long byte string of a message.
func dataOf(m any) *[]byte {
	_, field := command.BulkOf(m)
	return field
}

// The codec has to write the byte string under the key that is said, and always:
// left out, or under another key, nothing could be put in its place.
func TestTheDataOfABulkyMessageIsARequiredField(t *testing.T) {
	for name, shape := range bulkyShapes() {
		m := shape()
		key, field := command.BulkOf(m)
		message := reflect.ValueOf(m).Elem()
		for i := range message.NumField() {
			if message.Field(i).Addr().Interface() != any(field) {
				continue
			}
			if tag, want := message.Type().Field(i).Tag.Get("cbor"), fmt.Sprintf("%d,keyasint", key); tag != want {
				t.Errorf("%s: the data is tagged %q, want %q", name, tag, want)
			}
		}
	}
}

func TestLongDataIsEncodedAsTheCodecWould(t *testing.T) {
	for name, shape := range bulkyShapes() {
		for _, n := range []int{0, command.MinBulk - 1, command.MinBulk, 1<<16 - 1, 1 << 16, 100_000} {
			m := shape()
			*dataOf(m) = bytes.Repeat([]byte{0xA1}, n)
			got, err := command.Marshal(m)
			want, wantErr := command.MarshalByCodec(m)
			if err != nil || wantErr != nil || !bytes.Equal(got, want) {
				t.Errorf("%s with %d bytes: differs (%v, %v)", name, n, err, wantErr)
			}
		}
	}
}

func TestLongDataIsDecodedInPlace(t *testing.T) {
	for name, shape := range bulkyShapes() {
		m := shape()
		*dataOf(m) = bytes.Repeat([]byte{7}, 1000)
		payload, err := command.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		apart, within := shape(), shape()
		if err := command.Unmarshal(payload, apart); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if shared, err := command.UnmarshalInPlace(payload, within); err != nil || !shared {
			t.Fatalf("%s in place: %v, %v", name, shared, err)
		}
		clear(payload)
		if data := *dataOf(apart); !bytes.Equal(data, *dataOf(m)) {
			t.Errorf("%s: Unmarshal left the data in the payload", name)
		}
		if data := *dataOf(within); !bytes.Equal(data, make([]byte, 1000)) || cap(data) != len(data) {
			t.Errorf("%s: UnmarshalInPlace copied the data, or gave more than it", name)
		}
	}
}

func TestChunksOfAnUpdateAreNotCopied(t *testing.T) {
	payload, err := command.Marshal(&command.UpdateChunkRequest{Index: 7, Data: make([]byte, 1000)})
	if err != nil {
		t.Fatal(err)
	}
	var r command.UpdateChunkRequest
	if shared, err := command.UnmarshalInPlace(payload, &r); err != nil || !shared || r.Index != 7 {
		t.Errorf("chunks from %d on, in place: %v, %v", r.Index, shared, err)
	}
}

func TestLongDataDoesNotHideWhatIsWrong(t *testing.T) {
	data := strings.Repeat("d", 0x300)
	for about, payload := range map[string]string{
		"length in a long form":  "\xa1\x01\x5a\x00\x00\x03\x00" + data,
		"bytes behind":           "\xa1\x01\x59\x03\x00" + data + "\x00",
		"an unknown key":         "\xa2\x01\x59\x03\x00" + data + "\x09\x01",
		"an unknown key before":  "\xa2\x00\x01\x01\x59\x03\x00" + data,
		"the key twice":          "\xa2\x01\x59\x03\x00" + data + "\x01\x40",
		"one byte too few":       "\xa1\x01\x59\x03\x00" + data[1:],
		"text in place of bytes": "\xa1\x01\x79\x03\x00" + data,
		"the key in a long form": "\xa1\x18\x01\x59\x03\x00" + data,
		"tagged":                 "\xa1\x01\xc2\x59\x03\x00" + data,
	} {
		if shared, err := command.UnmarshalInPlace([]byte(payload), new(command.Echo)); statusOf(err) != command.StatusArgumentsBad || shared {
			t.Errorf("%s: %v, want %v", about, err, command.StatusArgumentsBad)
		}
	}
}

// Around the codec, bytes mean what they mean to it: with anything changed in
// what surrounds the data, both refuse or both see the same message.
func TestWaysAroundTheCodecAgreeWithIt(t *testing.T) {
	for name, shape := range bulkyShapes() {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			m := shape()
			*dataOf(m) = bytes.Repeat([]byte{0x41}, rapid.IntRange(command.MinBulk, 600).Draw(t, "length"))
			payload, err := command.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(0, 2).Draw(t, "changes") {
				at := rapid.SampledFrom([]int{0, len(payload) - 16}).Draw(t, "end") + rapid.IntRange(0, 15).Draw(t, "offset")
				payload[at] = rapid.Byte().Draw(t, "byte")
			}
			agree(t, payload, shape)
		}))
	}
}

// FuzzUnmarshalInPlace compares what goes around the codec with what it does.
func FuzzUnmarshalInPlace(f *testing.F) {
	for _, shape := range bulkyShapes() {
		m := shape()
		*dataOf(m) = make([]byte, command.MinBulk)
		payload, err := command.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, shape := range bulkyShapes() {
			agree(t, payload, shape)
		}
	})
}

func agree(t interface{ Fatalf(string, ...any) }, payload []byte, shape func() any) {
	around, by := shape(), shape()
	_, err := command.UnmarshalInPlace(payload, around)
	want := command.UnmarshalByCodec(payload, by)
	if (err == nil) != (want == nil) || err == nil && !reflect.DeepEqual(around, by) {
		t.Fatalf("%x: %v (%v), by the codec %v (%v)", payload, around, err, by, want)
	}
}
