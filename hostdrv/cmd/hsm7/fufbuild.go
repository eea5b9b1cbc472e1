package main

import (
	"crypto/hpke"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// exampleRelease is where an author begins.
func exampleRelease() fuf.Release {
	return fuf.Release{
		Kind: fuf.Firmware, Product: "usbhsm7", Models: []string{"U700", "U750", "U790"}, Version: fuf.V(7, 9, 3), SecurityVersion: 1,
		ValidFrom:     []fuf.Range{{From: fuf.V(7, 7, 0), To: fuf.V(7, 9, 2)}},
		MinBootloader: fuf.V(1, 1, 5), MinClient: fuf.V(1, 0, 0),
		Data: fuf.DataChange{From: 1, To: 1}, Rollback: fuf.RollbackDestroys, Notes: "What is new.\n",
	}
}

// buildFlags are the flags of hsm7 fuf build.
type buildFlags struct {
	spec, payload, models, out, code string
	example                          bool
}

func (a *app) fufBuildCommand() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use: "build --spec FILE --payload FILE --out FILE", Short: "Encrypt and describe a payload: an update file without signatures", Args: noArgs,
		Long: `Encrypt a payload and describe it by a specification, a file of JSON (--example prints one to begin with).
The file is not signed yet. Its authentication code goes into the file that --authcode names: give it to
those who may install the update, and by another way than the update. If that file exists, the code in it
is used.`,
		Example: "  hsm7 fuf build --example >release.json\n" +
			"  hsm7 fuf build --spec release.json --payload image --out update.fuf",
		RunE: func(*cobra.Command, []string) error {
			if f.example {
				return a.printIndented(exampleRelease())
			}
			return a.buildUpdate(f)
		},
	}
	cmd.Flags().StringVar(&f.spec, "spec", "", "file that describes the release, JSON")
	cmd.Flags().StringVar(&f.payload, "payload", "", "file to carry")
	cmd.Flags().StringVar(&f.models, "models", "", "public key of the models that take the update; without it, the published key of the simulator")
	cmd.Flags().StringVar(&f.out, "out", "", "update file to write")
	cmd.Flags().StringVar(&f.code, "authcode", "", "file of the authentication code; without it, named as --out with .txt at its end")
	cmd.Flags().BoolVar(&f.example, "example", false, "print a specification to begin with")
	return cmd
}

func (a *app) buildUpdate(f buildFlags) error {
	if f.spec == "" || f.payload == "" || f.out == "" {
		return usagef("--spec, --payload and --out must be given")
	}
	if f.code == "" {
		f.code = strings.TrimSuffix(f.out, filepath.Ext(f.out)) + ".txt"
	}
	text, err := readBounded(f.spec, maxText)
	if err != nil {
		return err
	}
	release, err := fuf.ParseRelease(text)
	if err != nil {
		return usagef("%s: %w", f.spec, err)
	}
	payload, err := readBounded(f.payload, fuf.MaxPayload)
	if err != nil {
		return err
	}
	models, err := readModelsPublic(f.models)
	if err != nil {
		return err
	}
	code, err := readOrMakeCode(f.code)
	if err != nil {
		return err
	}
	defer clear(code[:])
	draft, err := fuf.Build(release, payload, models, code)
	if err != nil {
		return usagef("%s: %w", f.spec, err)
	}
	n, err := writeDraft(f.out, draft)
	if err != nil {
		return err
	}
	return a.print(map[string]any{"file": f.out, "bytes": n, "authcode_file": f.code}, func(w io.Writer) {
		fmt.Fprintf(w, "%s, %d bytes, not signed yet; its authentication code is in %s\n", f.out, n, f.code)
	})
}

// readOrMakeCode reads an authentication code from a file, or makes one and
// writes it there.
func readOrMakeCode(name string) (fuf.Authcode, error) {
	if _, err := os.Stat(name); err == nil {
		return readCode(name)
	}
	code := fuf.NewAuthcode()
	return code, newFile{name, []byte(code.Text() + "\n"), 0o600}.write()
}

func readCode(name string) (fuf.Authcode, error) {
	text, err := readBounded(name, 1024)
	if err != nil {
		return fuf.Authcode{}, err
	}
	defer clear(text)
	code, err := fuf.ParseAuthcode(string(text))
	if err != nil {
		return code, usagef("%s: %w", name, err)
	}
	return code, nil
}

// readWithCode reads an update file of at most limit bytes and its authentication
// code, which is to be cleared after use.
func readWithCode(file string, limit int64, codeFile string) (content []byte, code fuf.Authcode, err error) {
	if content, err = readBounded(file, limit); err != nil {
		return nil, code, err
	}
	code, err = readCode(codeFile)
	return content, code, err
}

func readModelsPublic(name string) (hpke.PublicKey, error) {
	if name == "" {
		return testkeys.Models().PublicKey(), nil
	}
	text, err := readBounded(name, maxText)
	if err != nil {
		return nil, err
	}
	key, err := fuf.DecodeModelsPublic(text)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return key, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, usagef("%s has more than %d bytes", name, limit)
	}
	return data, nil
}

// readSecret reads a private key, and says so if others can do that too.
func readSecret(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(os.Stderr, "hsm7: others than its owner may read the private key %s: chmod 600 ends that\n", shellWord(name))
	}
	return readBounded(name, maxText)
}

// maxText is more than any key, specification or file of trust has, bytes.
const maxText = 1 << 20

// maxUpdate is more than any update file has, bytes.
const maxUpdate = fuf.MaxHead + 2*fuf.MaxPayload

func readDraft(name string) (*fuf.Draft, error) {
	data, err := readBounded(name, maxUpdate)
	if err != nil {
		return nil, err
	}
	draft, err := fuf.ParseDraft(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return draft, nil
}

// writeDraft puts an update file in the place of one that may be there already, and
// returns its size in bytes. Who reads meanwhile sees the old or the new one.
func writeDraft(name string, draft *fuf.Draft) (int, error) {
	data, err := draft.Bytes()
	if err != nil {
		return 0, err
	}
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return 0, usagef("%w", err)
	}
	defer os.Remove(file.Name()) // fails where it was renamed
	_, err = file.Write(data)
	for _, step := range []func() error{
		func() error { return err },
		func() error { return file.Chmod(0o644) },
		file.Sync, file.Close,
		func() error { return os.Rename(file.Name(), name) },
	} {
		if err := step(); err != nil {
			return 0, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return len(data), nil
}
