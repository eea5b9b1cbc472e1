package command_test

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
)

// vector is one entry of a file under testdata: its lines by their first word.
type vector map[string]string

// readVectors reads a file of vectors: entries apart by blank lines, one field
// to a line, comments after #.
func readVectors(t testing.TB, path string) []vector {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []vector
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), " ")
		switch key {
		case "", "#":
			continue
		case "vector":
			all = append(all, vector{})
		}
		all[len(all)-1][key] = strings.TrimSpace(value)
	}
	if len(all) == 0 {
		t.Fatalf("%s holds no vectors", path)
	}
	return all
}

// payload returns the bytes of v.
func (v vector) payload(t testing.TB) []byte {
	t.Helper()
	if v["cbor"] == "-" {
		return nil
	}
	p, err := hex.DecodeString(v["cbor"])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shapes maps the name of a payload, such as "sign request", to what makes an
// empty one. A nil maker stands for a payload that must be empty.
func shapes() map[string]func() any {
	m := map[string]func() any{
		"hello request":  func() any { return new(command.HelloRequest) },
		"hello response": func() any { return new(command.HelloResponse) },
		"error response": func() any { return new(command.ErrorResponse) },
		"event payload":  func() any { return new(command.Event) },
	}
	for _, row := range command.Rows {
		m[row.Name+" request"] = row.Request
		m[row.Name+" response"] = row.Response
	}
	return m
}

// empty returns an empty payload of the shape that v is for, nil if it has none.
func (v vector) empty(t testing.TB) any {
	t.Helper()
	shape, ok := shapes()[v["vector"]]
	if !ok {
		t.Fatalf("no payload is called %q", v["vector"])
	}
	if shape == nil {
		return nil
	}
	return shape()
}
