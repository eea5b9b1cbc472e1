package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Root returns the folder of the module that the current directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod in this folder or above it")
		}
		dir = parent
	}
}

// GoBuild builds the command pkg ("./hostdrv/cmd/hsm7") of this module and
// returns the path of the binary, under build/lab.
func GoBuild(ctx context.Context, pkg string) (string, error) {
	return goTool(ctx, pkg, filepath.Base(pkg), nil, "build")
}

// GoTest builds the test binary of pkg with the given build tags and returns
// its path, under build/lab.
func GoTest(ctx context.Context, pkg string, tags ...string) (string, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(pkg, "./"), "/", "-") + ".test"
	return goTool(ctx, pkg, name, nil, "test", "-c", "-tags", strings.Join(tags, ","))
}

func goTool(ctx context.Context, pkg, name string, env []string, verb ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	out := filepath.Join(root, "build", "lab", "bin", name)
	return out, run(ctx, root, env, "go", append(verb, "-trimpath", "-ldflags=-s -w", "-o", out, pkg)...)
}

// CC compiles a C program from its sources against the named pkg-config packages
// and returns the path of the binary, under build/lab. It is named after the
// first source.
func CC(ctx context.Context, sources []string, packages ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	flags, err := exec.CommandContext(ctx, "pkg-config", append([]string{"--cflags", "--libs"}, packages...)...).Output()
	if err != nil {
		return "", explain(fmt.Errorf("pkg-config %s: %w", strings.Join(packages, " "), err))
	}
	out := filepath.Join(root, "build", "lab", "bin", strings.TrimSuffix(filepath.Base(sources[0]), ".c"))
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return "", err
	}
	args := slices.Concat([]string{"-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-o", out}, sources, strings.Fields(string(flags)))
	return out, run(ctx, root, nil, "gcc", args...)
}

// run runs a program in dir; its error carries what the program said.
func run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, bytes.TrimSpace(out))
	}
	return nil
}
