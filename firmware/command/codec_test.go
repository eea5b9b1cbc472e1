package command_test

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
)

func TestPayloadsDecodeAndEncodeAsTheVectorsSay(t *testing.T) {
	for _, v := range readVectors(t, "testdata/payloads.txt") {
		t.Run(v["vector"]+"/"+v["about"], func(t *testing.T) {
			payload := v.payload(t)
			if means, err := cbor.Diagnose(payload); err != nil || means != v["means"] {
				t.Fatalf("the bytes mean %s, the vector says %s (%v)", means, v["means"], err)
			}
			decoded := v.empty(t)
			if err := command.Unmarshal(payload, decoded); err != nil {
				t.Fatal(err)
			}
			encoded, err := command.Marshal(decoded)
			if err != nil || !bytes.Equal(encoded, payload) {
				t.Fatalf("encodes as %x, want %x (%v)", encoded, payload, err)
			}
		})
	}
}

func TestBadPayloadsAreRefused(t *testing.T) {
	for _, v := range readVectors(t, "testdata/refused.txt") {
		t.Run(v["vector"]+"/"+v["about"], func(t *testing.T) {
			err := command.Unmarshal(v.payload(t), v.empty(t))
			var refusal *command.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("accepted, or refused without a status: %v", err)
			}
			if got := strings.ToUpper(hex32(refusal.Status)); got != v["status"] {
				t.Fatalf("status %s, want %s: %v", got, v["status"], err)
			}
			if strings.Contains(err.Error(), "command.") || strings.Contains(err.Error(), "EOF") {
				t.Fatalf("the reason speaks of Go: %v", err)
			}
		})
	}
}

// The payload may lie in a transfer buffer that is used again.
func TestDecodedPayloadsDoNotAliasTheirBytes(t *testing.T) {
	for _, v := range readVectors(t, "testdata/payloads.txt") {
		payload := v.payload(t)
		decoded := v.empty(t)
		if err := command.Unmarshal(payload, decoded); err != nil {
			t.Fatal(err)
		}
		clear(payload)
		if encoded, _ := command.Marshal(decoded); !bytes.Equal(encoded, v.payload(t)) {
			t.Errorf("%s: overwriting the payload changed what was decoded", v["vector"])
		}
	}
}

func TestHugeLengthsAllocateNothingMuch(t *testing.T) {
	tests := map[string]struct {
		payload string
		into    func() any
	}{
		"byte string of 2^62": {"\xa1\x01\x5b\x3f\xff\xff\xff\xff\xff\xff\xff", func() any { return new(command.Echo) }},
		"text of 2^31":        {"\xa1\x01\x7a\x7f\xff\xff\xff", func() any { return new(command.HSMInitRequest) }},
		"array of 2^31":       {"\xa2\x01\x08\x02\x9a\x7f\xff\xff\xff", func() any { return new(command.GetAttributesRequest) }},
		"map of 2^31":         {"\xa1\x01\xba\x7f\xff\xff\xff", func() any { return new(command.FindObjectsRequest) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			const runs = 100
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range runs {
				if err := command.Unmarshal([]byte(tt.payload), tt.into()); !errors.Is(err, command.StatusArgumentsBad) {
					t.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / runs; each > 4096 {
				t.Errorf("refusing %d bytes allocated %d", len(tt.payload), each)
			}
		})
	}
}

func TestCountsAreLimited(t *testing.T) {
	for n, want := range map[int]command.Status{
		command.MaxElements:     command.StatusOK,
		command.MaxElements + 1: command.StatusArgumentsBad,
	} {
		payload, err := command.Marshal(&command.GetAttributesRequest{Object: 1, Types: make([]command.AttributeType, n)})
		if err != nil {
			t.Fatal(err)
		}
		var req command.GetAttributesRequest
		if got := statusOf(command.Unmarshal(payload, &req)); got != want {
			t.Errorf("%d elements: %v, want %v", n, got, want)
		}
	}
}

// Templates are the only place where the decoder would follow any nesting.
func TestNestingIsLimited(t *testing.T) {
	for depth, want := range map[int]command.Status{
		command.MaxNesting:     command.StatusAttributeValueInvalid, // decoded, then refused as an array
		command.MaxNesting + 1: command.StatusArgumentsBad,
	} {
		// The request and its template are two levels; each 0x81 is one more.
		payload := append([]byte("\xa1\x01\xa1\x03"), bytes.Repeat([]byte{0x81}, depth-2)...)
		var req command.FindObjectsRequest
		if got := statusOf(command.Unmarshal(append(payload, 0), &req)); got != want {
			t.Errorf("%d levels: %v, want %v", depth, got, want)
		}
	}
}

func TestTemplateValuesKeepTheirKind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawTemplate(t)
		payload, err := command.Marshal(&command.FindObjectsRequest{Template: want})
		if err != nil {
			t.Fatal(err)
		}
		var got command.FindObjectsRequest
		if err := command.Unmarshal(payload, &got); err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(got.Template, want, reflect.DeepEqual) {
			t.Fatalf("sent %v, received %v", want, got.Template)
		}
	})
}

// drawTemplate draws a template that Check accepts.
func drawTemplate(t *rapid.T) command.Template {
	template := command.Template{}
	for _, row := range rapid.SliceOfDistinct(rapid.SampledFrom(command.Attributes),
		func(r command.AttributeRow) command.AttributeType { return r.Type }).Draw(t, "rows") {
		switch row.Kind {
		case command.KindBool:
			template[row.Type] = rapid.Bool().Draw(t, row.Name)
		case command.KindUint:
			template[row.Type] = rapid.Uint64().Draw(t, row.Name)
		case command.KindBytes:
			template[row.Type] = rapid.SliceOf(rapid.Byte()).Draw(t, row.Name)
		case command.KindText:
			template[row.Type] = rapid.String().Draw(t, row.Name)
		}
	}
	return template
}

// FuzzUnmarshal decodes the same bytes as every payload there is: whatever is
// accepted must encode to the very same bytes.
func FuzzUnmarshal(f *testing.F) {
	for _, path := range []string{"testdata/payloads.txt", "testdata/refused.txt"} {
		for _, v := range readVectors(f, path) {
			f.Add(v.payload(f))
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for name, shape := range shapes() {
			if shape == nil {
				continue
			}
			decoded := shape()
			if err := command.Unmarshal(payload, decoded); err != nil {
				var refusal *command.Error
				if !errors.As(err, &refusal) {
					t.Fatalf("%s: refused without a status: %v", name, err)
				}
				continue
			}
			if again, err := command.Marshal(decoded); err != nil || !bytes.Equal(again, payload) {
				t.Fatalf("%s: %x encodes as %x (%v)", name, payload, again, err)
			}
		}
	})
}

func BenchmarkUnmarshalSign(b *testing.B) {
	payload, err := command.Marshal(&command.SignRequest{
		Mechanism: command.Mechanism{Type: command.MechECDSA}, Key: 7, Data: make([]byte, 32),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var req command.SignRequest
		if err := command.Unmarshal(payload, &req); err != nil {
			b.Fatal(err)
		}
	}
}
