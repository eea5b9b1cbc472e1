package lab

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os/exec"
	"strings"
)

// libraries returns the paths of the shared libraries and of the loader that
// the program needs; none for a static one or for one that is not ELF.
func libraries(ctx context.Context, program string) ([]string, error) {
	if !isDynamic(program) {
		return nil, nil
	}
	out, err := exec.CommandContext(ctx, "ldd", program).Output()
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w", program, err)
	}
	return parseLibraries(out)
}

func isDynamic(program string) bool {
	f, err := elf.Open(program)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, segment := range f.Progs {
		if segment.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}

// parseLibraries reads the output of ldd(1): "name => path (address)" or, for
// the loader, "path (address)".
func parseLibraries(ldd []byte) ([]string, error) {
	var paths []string
	lines := bufio.NewScanner(bytes.NewReader(ldd))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasSuffix(line, "=> not found") {
			return nil, fmt.Errorf("a shared library is missing: %s", line)
		}
		if _, target, ok := strings.Cut(line, " => "); ok {
			line = target
		}
		if path, _, ok := strings.Cut(line, " ("); ok && strings.HasPrefix(path, "/") {
			paths = append(paths, path)
		}
	}
	return paths, lines.Err()
}
