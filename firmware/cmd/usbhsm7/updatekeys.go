package main

import (
	"bytes"
	"crypto/hpke"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// updateKeys names files with what a unit judges updates by. They are a fact of its
// birth: a new unit copies them into its state directory, and never takes others.
type updateKeys struct {
	trust  string // whose signatures count
	models string // private key of its group of models
}

func updateKeyFlags(flags *pflag.FlagSet, k *updateKeys) {
	flags.StringVar(&k.trust, "update-trust", "", "file that says whose signatures count in updates of a new device (hsm7 fuf keygen makes one); without it, those of the simulator, whose keys are published")
	flags.StringVar(&k.models, "update-models", "", "private key of the models, for which the updates of a new device are encrypted (hsm7 fuf keygen --models makes one); without it, the published one of the simulator")
}

// verifier returns what judges updates; nil means the published keys.
func (o options) verifier() (boot.Verifier, error) {
	var (
		trust  fuf.Trust
		models hpke.PrivateKey
	)
	someTrust, err := o.inborn("--update-trust", o.updates.trust, "update-trust.json", func(text []byte) (err error) {
		trust, err = fuf.ParseTrust(text)
		return err
	})
	if err != nil {
		return nil, err
	}
	someModels, err := o.inborn("--update-models", o.updates.models, "update-models.pem", func(text []byte) (err error) {
		models, err = fuf.DecodeModels(text)
		return err
	})
	if err != nil || !someTrust && !someModels {
		return nil, err
	}
	if !someTrust {
		trust = testkeys.Trust()
	}
	if !someModels {
		models = testkeys.Models()
	}
	return boot.Trusting(trust, models), nil
}

// maxKeyFile is more than any file of trust or keys has, bytes.
const maxKeyFile = 1 << 20

// inborn has take read what the unit was born with, or is now, under a name in its state
// directory, and reports whether that is anything. The error carries errUsage if the
// unit was born with something else than the file of the flag.
func (o options) inborn(flag, file, name string, take func([]byte) error) (some bool, err error) {
	kept, err := o.readInborn(name)
	if err != nil {
		return false, err
	}
	defer clear(kept)
	if file == "" {
		if kept == nil {
			return false, nil
		}
		return true, take(kept)
	}
	text, err := readKeyFile(file)
	if err == nil {
		defer clear(text)
		err = take(text)
	}
	switch {
	case err != nil:
		return false, fmt.Errorf("%w: %s %s: %w", errUsage, flag, file, err)
	case kept != nil && subtle.ConstantTimeCompare(kept, text) == 1:
		return true, nil
	case o.isBorn():
		return false, fmt.Errorf("%w: %s %s: the device in %s was made with other keys for updates, and keeps them; leave the flag out, or make a new device", errUsage, flag, file, o.stateDir)
	case o.ephemeral:
		return true, nil
	}
	if err := replaceFile(filepath.Join(o.stateDir, name), bytes.NewReader(text)); err != nil {
		return false, fmt.Errorf("keep what updates are judged by: %w", err)
	}
	return true, nil
}

// isBorn reports whether there is a unit in the state directory.
func (o options) isBorn() bool {
	if o.ephemeral {
		return false
	}
	_, err := os.Stat(newFileChip(o.stateDir).path)
	return err == nil
}

// readInborn reads a file of the state directory, nil if there is none.
func (o options) readInborn(name string) ([]byte, error) {
	if o.ephemeral {
		return nil, nil
	}
	text, err := readKeyFile(filepath.Join(o.stateDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what updates are judged by: %w", err)
	}
	return text, nil
}

func readKeyFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxKeyFile)
	}
	return os.ReadFile(name)
}
