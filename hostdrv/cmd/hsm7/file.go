package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"usbhsm7/firmware/command"
)

// maxInput bounds what is read for one command: the payload of a message less
// room for the other fields.
const maxInput = 16<<20 - 4096

// openInput opens a file to read; "-" and "" are the standard input.
func (a *app) openInput(name string) (io.ReadCloser, error) {
	if name == "" || name == "-" {
		return io.NopCloser(a.in), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return f, nil
}

// readInput reads a whole file that goes to the device in one message.
func (a *app) readInput(name string) ([]byte, error) {
	f, err := a.openInput(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxInput {
		return nil, usagef("%s has more than the %d bytes that fit one message", name, maxInput)
	}
	return data, nil
}

// writeFile writes data to a file; "-" and "" are the standard output.
func (a *app) writeFile(name string, data []byte) error {
	if name == "" || name == "-" {
		_, err := a.out.Write(data)
		return err
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// writeResult writes data to a file and says so, or to the standard output.
func (a *app) writeResult(name string, data []byte, what string) error {
	if err := a.writeFile(name, data); err != nil || name == "" || name == "-" {
		return err
	}
	return a.done("%s, %d bytes, written to %s", what, len(data), name)
}

// mechanismNamed returns the mechanism with a PKCS#11 name, with or without CKM_.
func mechanismNamed(name string) (command.MechanismType, error) {
	for _, row := range command.MechanismTable {
		if name == row.Name || name == "CKM_"+row.Name {
			return row.Type, nil
		}
	}
	return 0, usagef("no mechanism %q; hsm7 mechanisms lists them", name)
}

// readPEM returns the contents of the first block of a PEM file, which must
// have the given type.
func readPEM(name, kind string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, usagef("%s holds no PEM block %q", name, kind)
	}
	return block.Bytes, nil
}
