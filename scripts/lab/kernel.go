package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kernel is Debian's kernel package, unpacked by scripts/fetch-kernel.
type kernel struct {
	release string              // as uname -r prints it
	modules string              // the folder lib/modules/RELEASE
	image   string              // the uncompressed ELF kernel
	depends map[string][]string // module path -> paths of the modules it needs, both relative to modules
}

// findKernel returns the kernel under build, fetching it first where needed.
func findKernel(ctx context.Context, root string) (*kernel, error) {
	if err := run(ctx, root, nil, filepath.Join(root, "scripts", "fetch-kernel")); err != nil {
		return nil, err
	}
	tree := filepath.Join(root, "build", "lab", "kernel")
	folders, err := os.ReadDir(filepath.Join(tree, "lib", "modules"))
	if err != nil {
		return nil, err
	}
	if len(folders) != 1 {
		return nil, fmt.Errorf("%s holds %d kernels, want one: remove it, and it will be fetched again", tree, len(folders))
	}
	k := &kernel{release: folders[0].Name()}
	k.modules = filepath.Join(tree, "lib", "modules", k.release)
	k.image = filepath.Join(tree, "vmlinux")
	if _, err := os.Stat(k.image); errors.Is(err, os.ErrNotExist) {
		if err := unpackKernel(ctx, filepath.Join(tree, "boot", "vmlinuz-"+k.release), k.image); err != nil {
			return nil, err
		}
	}
	k.depends, err = readDependencies(filepath.Join(k.modules, "modules.dep"))
	return k, err
}

// unpackKernel writes the ELF kernel that the boot image source holds to
// target. QEMU starts it directly (PVH), which saves the guest from
// decompressing it under emulation.
func unpackKernel(ctx context.Context, source, target string) error {
	image, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	payload, err := bootPayload(image)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	part, err := os.CreateTemp(filepath.Dir(target), "vmlinux.*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	defer part.Close()
	unxz := exec.CommandContext(ctx, "xz", "-dc", "--single-stream")
	unxz.Stdin, unxz.Stdout = bytes.NewReader(payload), part
	if err := unxz.Run(); err != nil {
		return fmt.Errorf("decompress %s: %w", source, err)
	}
	if err := part.Close(); err != nil {
		return err
	}
	return os.Rename(part.Name(), target)
}

// bootPayload finds the compressed kernel in a bzImage: see
// Documentation/arch/x86/boot.rst of the kernel, "The Real-Mode Kernel Header".
func bootPayload(image []byte) ([]byte, error) {
	const (
		setupSectors  = 0x1f1
		magic         = 0x202 // "HdrS"
		payloadOffset = 0x248
		payloadLength = 0x24c
		headerEnd     = 0x250
	)
	if len(image) < headerEnd || string(image[magic:magic+4]) != "HdrS" {
		return nil, errors.New("not an x86 boot image")
	}
	start := uint64(image[setupSectors]+1)*512 + uint64(binary.LittleEndian.Uint32(image[payloadOffset:]))
	end := start + uint64(binary.LittleEndian.Uint32(image[payloadLength:]))
	if end > uint64(len(image)) {
		return nil, errors.New("boot image is truncated")
	}
	payload := image[start:end]
	if !bytes.HasPrefix(payload, []byte("\xfd7zXZ\x00")) {
		return nil, errors.New("the kernel is not compressed with xz")
	}
	return payload, nil
}

// readDependencies reads modules.dep as depmod(8) writes it: "path: path ...".
func readDependencies(path string) (map[string][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseDependencies(f)
}

func parseDependencies(r io.Reader) (map[string][]string, error) {
	depends := make(map[string][]string)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		module, needs, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			return nil, fmt.Errorf("modules.dep: no colon in %q", lines.Text())
		}
		depends[module] = strings.Fields(needs)
	}
	return depends, lines.Err()
}

// loadOrder returns the paths of the named modules and of all they need, each
// after what it needs. Names may be spelt with - or _, as for modprobe.
func (k *kernel) loadOrder(names []string) ([]string, error) {
	paths := make(map[string]string, len(k.depends))
	for path := range k.depends {
		paths[moduleName(path)] = path
	}
	var order []string
	seen := make(map[string]bool)
	var add func(path string)
	add = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		for _, need := range k.depends[path] {
			add(need)
		}
		order = append(order, path)
	}
	for _, name := range names {
		path, ok := paths[moduleName(name)]
		if !ok {
			return nil, fmt.Errorf("kernel %s has no module %s", k.release, name)
		}
		add(path)
	}
	return order, nil
}

func moduleName(path string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".ko"), "-", "_")
}
