package record_test

import (
	"bytes"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/firmware/record"
)

// FuzzRedactor lets any bytes pass in two URBs of each direction. What is left of
// them is headers, asterisks, and payloads that decode to something open.
func FuzzRedactor(f *testing.F) {
	out, in := conversation(false)
	f.Add(transfer(out...), transfer(in...), 512)
	f.Add(transfer(out[:3]...), transfer(in[:3]...), 64)
	f.Add([]byte(canary), []byte("HSM7"), 1)
	f.Fuzz(func(t *testing.T, out, in []byte, cut int) {
		r := record.NewRedactor()
		r.Redact(configured())
		for endpoint, data := range map[uint8][]byte{bulkOut: out, bulkIn: in} {
			at := min(max(cut, 0), len(data))
			for _, part := range [][]byte{data[:at], data[at:]} {
				p := packet(endpoint, part)
				r.Redact(p)
				if len(p.Data) != len(part) {
					t.Fatalf("%d bytes became %d", len(part), len(p.Data))
				}
				checkShown(t, p.Data)
			}
		}
	})
}

// checkShown fails if b holds anything that a redactor may not leave.
func checkShown(t *testing.T, b []byte) {
	for len(b) > 0 {
		h, err := frame.ParseHeader(b)
		if err != nil && b[0] == '*' {
			b = b[1:]
			continue
		}
		if err != nil {
			t.Fatalf("left: %q", b)
		}
		b = b[frame.HeaderSize:]
		payload := b[:min(int(h.Length), len(b))]
		if !bytes.Equal(payload, stars(len(payload))) && !decodes(payload) {
			t.Fatalf("left behind the header %+v: %q", h, payload)
		}
		b = b[len(payload):]
	}
}

// decodes reports whether payload is one of those that may be seen.
func decodes(payload []byte) bool {
	open := []any{new(command.HelloRequest), new(command.HelloResponse), new(command.ErrorResponse), new(command.Event)}
	for _, row := range command.Rows {
		if row.Open()&command.OpenRequest != 0 && row.Request != nil {
			open = append(open, row.Request())
		}
		if row.Open()&command.OpenResponse != 0 && row.Response != nil {
			open = append(open, row.Response())
		}
	}
	for _, v := range open {
		if command.Unmarshal(payload, v) == nil {
			return true
		}
	}
	return false
}
