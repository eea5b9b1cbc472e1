package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"usbhsm7/scripts/lab/protocol"
)

var mounts = []struct{ kind, path, options string }{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", ""},
	{"debugfs", "/sys/kernel/debug", ""},
	{"tmpfs", "/tmp", "mode=1777"},
	{"tmpfs", "/run", "mode=755"},
}

// mountAll mounts what programs expect, and makes the kernel tell of tasks that
// hang for longer than any USB timeout.
func mountAll() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.path, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.path, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.path, err)
		}
	}
	return os.WriteFile("/proc/sys/kernel/hung_task_timeout_secs", []byte("30"), 0)
}

type settings struct {
	host    string
	token   string
	modules []string
}

func readSettings(path string) (settings, error) {
	line, err := os.ReadFile(path)
	if err != nil {
		return settings{}, err
	}
	var s settings
	for field := range strings.FieldsSeq(string(line)) {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case protocol.ParamHost:
			s.host = value
		case protocol.ParamToken:
			s.token = value
		case protocol.ParamModules:
			s.modules = strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
		}
	}
	if s.host == "" {
		return s, errors.New("the kernel's command line names no " + protocol.ParamHost)
	}
	return s, nil
}

// loadModules loads each module file under this kernel's module folder.
func loadModules(paths []string) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	folder := filepath.Join("/lib/modules", unix.ByteSliceToString(name.Release[:]))
	for _, p := range paths {
		if err := loadModule(filepath.Join(folder, p)); err != nil {
			return fmt.Errorf("load %s: %w", p, err)
		}
	}
	return nil
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}

// bringUpNetwork gives the guest the address that QEMU's user network expects.
// The host is on the same link, so no route is needed.
func bringUpNetwork() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := configure(s, "lo", net.IPv4(127, 0, 0, 1), net.CIDRMask(8, 32)); err != nil {
		return err
	}
	return configure(s, "eth0", net.IPv4(10, 0, 2, 15), net.CIDRMask(24, 32))
}

// configure sets an interface's address and mask and switches it on, see
// netdevice(7).
func configure(socket int, name string, address net.IP, mask net.IPMask) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		call  uint
		value []byte
	}{
		{unix.SIOCSIFADDR, address.To4()},
		{unix.SIOCSIFNETMASK, mask},
	} {
		if err := request.SetInet4Addr(step.value); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(socket, step.call, request); err != nil {
			return fmt.Errorf("configure %s: %w", name, err)
		}
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("switch on %s: %w", name, err)
	}
	return nil
}
