package fm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/fm"
)

var wasm = []byte("\x00asm\x01\x00\x00\x00")

// leb encodes a number as modules do.
func leb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// section makes a section of a module.
func section(id byte, parts ...[]byte) []byte {
	content := slices.Concat(parts...)
	return slices.Concat([]byte{id}, leb(uint64(len(content))), content)
}

// custom makes a section that means nothing.
func custom(text string) []byte { return section(0, leb(uint64(len(text))), []byte(text)) }

// function makes the section of one function with a body, of type () -> i32 and with
// the name f, and what must stand before it.
func function(body []byte) []byte {
	return slices.Concat(
		wasm,
		section(1, []byte{1, 0x60, 0, 1, 0x7f}),
		section(3, []byte{1, 0}),
		section(5, []byte{1, 0, 1}),
		section(7, []byte{1, 1, 'f', 0, 0}),
		section(10, []byte{1}, leb(uint64(len(body))), body),
	)
}

// fillAll fills 4 MiB of memory, in a millisecond or so.
var fillAll = []byte{0x41, 0, 0x41, 1, 0x41, 0x80, 0x80, 0x80, 0x02, 0xfc, 0x0b, 0}

// imports makes a module that imports a function of type () -> i64.
func imports(module, name string) []byte {
	return slices.Concat(
		wasm,
		section(1, []byte{1, 0x60, 0, 1, 0x7e}),
		section(2, []byte{1}, leb(uint64(len(module))), []byte(module), leb(uint64(len(name))), []byte(name), []byte{0, 0}),
		section(5, []byte{1, 0, 1}),
	)
}

func TestCheckRefusesWhatTheDeviceCannotBear(t *testing.T) {
	const end = 0x0b
	constant := []byte{0x41, 0, end} // i32.const 0
	for _, c := range []struct {
		name, says string
		code       []byte
	}{
		{"nothing", "no WebAssembly", nil},
		{"text", "no WebAssembly", []byte("(module)")},
		{"another version", "no WebAssembly", []byte("\x00asm\x02\x00\x00\x00")},
		{"too large", "more than 1048576", slices.Concat(wasm, custom(strings.Repeat("x", fm.MaxCode)))},
		{"cut", "ends too early", append(wasm, 10)},
		{"section that is cut", "ends too early", append(wasm, 10, 5, 0)},
		{"section with a size of more than 32 bits", "ends too early", append(wasm, 10, 0xff, 0xff, 0xff, 0xff, 0x7f)},
		{"more functions than there are", "ends too early", slices.Concat(wasm, section(10, leb(3)))},
		{"variables without end", "more than 1024 variables", function(slices.Concat(leb(1), leb(4_000_000_000), []byte{0x7f}, constant))},
		{"variables in many groups", "more than 1024 variables", function(slices.Concat(leb(3), bytes.Repeat([]byte{0x90, 0x03, 0x7e}, 3), constant))},
		{"variables that are no numbers", "a value of type 0x6f", function(slices.Concat(leb(1), leb(1), []byte{0x6f}, constant))},
		{"parameters without end", "4000000000 parameters", slices.Concat(wasm, section(1, []byte{1, 0x60}, leb(4_000_000_000)))},
		{"types without end", "4000000000 types", slices.Concat(wasm, section(1, leb(4_000_000_000)))},
		{"imports without end", "4000000000 imports", slices.Concat(wasm, section(2, leb(4_000_000_000)))},
		{"an import with a name without end", "ends too early", slices.Concat(wasm, section(2, []byte{1}, leb(4_000_000_000)))},
		{"exports without end", "4000000000 exports", slices.Concat(wasm, section(7, leb(4_000_000_000)))},
		{"an export with a name without end", "ends too early", slices.Concat(wasm, section(7, []byte{1}, leb(4_000_000_000)))},
		{"globals without end", "ends too early", slices.Concat(wasm, section(6, leb(4_000_000_000)))},
		{"elements without end", "4000000000 elements", slices.Concat(wasm, section(9, []byte{1, 0, 0x41, 0, end}, leb(4_000_000_000)))},
		{"elements somewhere else", "do not have", slices.Concat(wasm, section(9, []byte{1, 3}))},
		{"elements in a place that is computed", "a place of data that is computed", slices.Concat(wasm, section(9, []byte{1, 0, 0x20}))},
		{"pieces of data without end", "4000000000 pieces of data", slices.Concat(wasm, section(11, leb(4_000_000_000)))},
		{"data without end", "ends too early", slices.Concat(wasm, section(11, []byte{1, 0, 0x23, 0, end}, leb(4_000_000_000)))},
		{"data of another memory", "data of kind 2", slices.Concat(wasm, section(11, []byte{1, 2, 0}))},
		{"no memory", "not one memory", wasm},
		{"two memories", "not one memory", slices.Concat(wasm, section(5, []byte{2, 0, 1, 0, 1}))},
		{"a memory that others share", "a size of kind 3", slices.Concat(wasm, section(5, []byte{1, 3, 1, 1}))},
		{"something after the end", "1 bytes after its end", slices.Concat(wasm, section(3, []byte{0, 0}))},
		{"a huge function", "more than 65536", function(slices.Concat([]byte{0}, bytes.Repeat([]byte{0x01}, 1<<16), constant))},
		{"memory filled again and again without a loop", "513 instructions of the kind FC", function(slices.Concat([]byte{0}, bytes.Repeat(fillAll, 513), constant))},
		{"many functions", "functions, more than 8192", slices.Concat(wasm, section(10, leb(100_000)))},
		{"a huge table", "a table of 100000", slices.Concat(wasm, section(4, []byte{1, 0x70, 0}, leb(100_000)))},
		{"two tables", "2 tables, more than 1", slices.Concat(wasm, section(4, []byte{2, 0x70, 0, 1, 0x70, 0, 1}))},
		{"a huge memory", "memory", slices.Concat(wasm, section(5, []byte{1, 0}, leb(65)))},
		{"code that runs by itself", "a section 8", slices.Concat(wasm, section(8, leb(0)))},
		{"files", "wasi_snapshot_preview1.fd_write", imports("wasi_snapshot_preview1", "fd_write")},
		{"what does not exist", "usbhsm7.extract_key", imports("usbhsm7", "extract_key")},
		{"other parameters", "usbhsm7.random with other parameters", imports("usbhsm7", "random")},
		{"a memory of somebody else", "it imports a.m, which is no function", slices.Concat(wasm, section(2, []byte{1, 1, 'a', 1, 'm', 2, 0, 1}))},
		{"vectors", "no functional module", function([]byte{0, 0xfd, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a, 0x41, 0, end})},
		{"a result that is missing", "no functional module", function([]byte{0, end})},
	} {
		t.Run(c.name, func(t *testing.T) {
			functions, err := engine(t).Check(c.code)
			if !errors.Is(err, command.StatusInvalidFUFHeader) || !strings.Contains(err.Error(), c.says) || functions != nil {
				t.Errorf("%q, %v; want %q", functions, err, c.says)
			}
			if _, err := engine(t).Call(t.Context(), c.code, "f", nil, new(desk)); !errors.Is(err, command.StatusInvalidFUFHeader) {
				t.Errorf("called: %v", err)
			}
		})
	}
	if functions, err := engine(t).Check(function(slices.Concat([]byte{0}, constant))); err != nil || !slices.Equal(functions, []string{"f"}) {
		t.Errorf("the harmless one: %q, %v", functions, err)
	}
}

// Whatever a module is made of, it is refused or does something within its limits.
func FuzzModule(f *testing.F) {
	for _, name := range []string{"orders", "hostile", "calls"} {
		f.Add(module(f, name), []byte("input"))
	}
	f.Fuzz(func(t *testing.T, code, input []byte) {
		limits := fm.Standard()
		limits.Pages, limits.Time = 2, limits.Time/100
		e := fm.New(limits)
		defer e.Close()
		functions, err := e.Check(code)
		if err != nil {
			if !errors.Is(err, command.StatusInvalidFUFHeader) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		for _, name := range functions[:min(len(functions), 4)] {
			output, err := e.Call(t.Context(), code, name, input, new(desk))
			if len(output) > limits.Output || (err != nil) && output != nil {
				t.Errorf("%d bytes, %v", len(output), err)
			}
		}
	})
}
