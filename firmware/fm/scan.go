package fm

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

var header = []byte("\x00asm\x01\x00\x00\x00")

// section is a kind of section: its number and how it is looked at.
type section struct {
	id   byte
	look func(*reader) error
}

// customSection is the number of sections that mean nothing: names for debuggers and
// the like.
const customSection = 0

// memorySection is the number of the section of memories. Every module has one.
const memorySection = 5

// sections lists all that a module may have.
var sections = []section{
	{1, list(maxTypes, "types", functionType)},
	{2, list(maxFunctions, "imports", imported)},
	{3, list(maxFunctions, "functions", oneNumber)},
	{4, list(1, "tables", table)},
	{memorySection, oneMemory},
	{6, globals},
	{7, list(maxFunctions, "exports", exported)},
	{9, list(maxTable, "elements", elements)},
	{10, list(maxFunctions, "functions", function)},
	{11, list(maxSegments, "pieces of data", data)},
	{12, oneNumber},
}

// scan returns a module without the sections that mean nothing, and refuses what
// would take too much of the device before a limit of the call can stop it: the
// runtime makes room for as many things as a module says that it has, before it looks
// whether they are there, and does not limit tables, variables or the size of
// functions. Whether a module makes sense is left to the runtime.
func scan(code []byte) ([]byte, error) {
	if len(code) > MaxCode {
		return nil, fmt.Errorf("a module of %d bytes, more than %d", len(code), MaxCode)
	}
	rest, ok := bytes.CutPrefix(code, header)
	if !ok {
		return nil, errors.New("no WebAssembly of version 1")
	}
	kept, remembers := slices.Clone(header), false
	for r := reader(rest); len(r) > 0; {
		before := r
		id, err := r.byte()
		if err != nil {
			return nil, err
		}
		content, err := r.part()
		if err != nil {
			return nil, err
		}
		if id == customSection {
			continue
		}
		if err := scanSection(id, content); err != nil {
			return nil, err
		}
		kept = append(kept, before[:len(before)-len(r)]...)
		remembers = remembers || id == memorySection
	}
	if !remembers {
		return nil, errNoMemory
	}
	return kept, nil
}

func scanSection(id byte, content reader) error {
	at := slices.IndexFunc(sections, func(s section) bool { return s.id == id })
	if at < 0 {
		return fmt.Errorf("a section %d: %w", id, errStrange)
	}
	if err := sections[at].look(&content); err != nil {
		return err
	}
	if len(content) > 0 {
		return fmt.Errorf("a section %d with %d bytes after its end", id, len(content))
	}
	return nil
}

// list is a section of elements.
func list(most uint32, what string, element func(*reader) error) func(*reader) error {
	return func(r *reader) error { return r.each(most, what, element) }
}

// functionType is parameters and results, numbers all of them.
func functionType(r *reader) error {
	return r.skip(exactly(0x60), list(maxValues, "parameters", number), list(maxValues, "results", number))
}

// number is the type of a number: i32, i64, f32 or f64.
func number(r *reader) error {
	if b, err := r.byte(); err != nil || b < 0x7c || b > 0x7f {
		return fmt.Errorf("a value of type %#02x: %w", b, errStrange)
	}
	return nil
}

// imported is a module, a name in it, and the type of a function.
func imported(r *reader) error {
	module, err := r.part()
	if err != nil {
		return err
	}
	name, err := r.part()
	if err != nil {
		return err
	}
	if err := exactly(0)(r); err != nil {
		return fmt.Errorf("it imports %s.%s, which is no function: %w", module, name, err)
	}
	return oneNumber(r)
}

// exported is a name, what it is the name of, and which one of these.
func exported(r *reader) error { return r.skip(onePart, oneByte, oneNumber) }

// table is one of functions, with a size at the beginning and perhaps a largest one.
func table(r *reader) error {
	if err := exactly(0x70)(r); err != nil {
		return err
	}
	size, err := limits(r)
	if err == nil && size > maxTable {
		err = fmt.Errorf("a table of %d, more than %d", size, maxTable)
	}
	return err
}

var errNoMemory = errors.New("it has not one memory of its own, in which input and output are")

func oneMemory(r *reader) error {
	if n, err := r.number(); err != nil || n != 1 {
		return errNoMemory
	}
	_, err := limits(r)
	return err
}

// limits reads a size at the beginning and perhaps a largest one.
func limits(r *reader) (uint32, error) {
	flag, err := r.byte()
	if err != nil {
		return 0, err
	}
	if flag > 1 {
		return 0, fmt.Errorf("a size of kind %d: %w", flag, errStrange)
	}
	size, err := r.number()
	if err == nil && flag == 1 {
		err = oneNumber(r)
	}
	return size, err
}

// globals only counts them: the runtime takes care of what is in them.
func globals(r *reader) error {
	n, err := r.number()
	if err == nil && uint64(n) > uint64(len(*r)) {
		return errCut
	}
	*r = nil
	return err
}

// elements is where in the table functions come, and which ones.
func elements(r *reader) error {
	return r.skip(exactly(0), offset, list(maxTable, "elements", oneNumber))
}

// bulk begins the instructions that fill or copy a whole memory, each a matter of
// milliseconds. The time of a call is looked at in loops and calls only, so that a
// function which does nothing else would go on for seconds after its end. That the
// byte may also be a part of a number does no harm.
const bulk = 0xfc

// function looks at the variables at the beginning of a function: groups of a
// number and a type.
func function(r *reader) error {
	body, err := r.part()
	if err != nil {
		return err
	}
	if len(body) > maxBody {
		return fmt.Errorf("a function of %d bytes, more than %d", len(body), maxBody)
	}
	if n := bytes.Count(body, []byte{bulk}); n > maxBulk {
		return fmt.Errorf("a function with %d instructions of the kind FC, more than %d", n, maxBulk)
	}
	var locals uint64
	return body.each(maxLocals, "groups of variables", func(r *reader) error {
		n, err := r.number()
		if err != nil {
			return err
		}
		if locals += uint64(n); locals > maxLocals {
			return fmt.Errorf("a function of more than %d variables", maxLocals)
		}
		return number(r)
	})
}

// data is bytes, and where they come in the memory unless the code says that.
func data(r *reader) error {
	flag, err := r.byte()
	if err != nil {
		return err
	}
	switch flag {
	case 0:
		return r.skip(offset, onePart)
	case 1:
		return onePart(r)
	}
	return fmt.Errorf("data of kind %d: %w", flag, errStrange)
}
