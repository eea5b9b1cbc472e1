// Command agent is the first and only program of the lab's guest: it mounts the
// kernel's file systems, loads modules, brings up the network, and then does
// what the host asks (package protocol) until the machine is switched off.
//
// It runs as process 1. Orphans are not reaped: a machine lives for one test
// run.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	err := run()
	fmt.Fprintln(os.Stderr, "lab agent:", err)
	if os.Getpid() != 1 {
		os.Exit(1)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) // QEMU runs with -no-reboot: this ends it
}

func run() error {
	if os.Getpid() != 1 {
		return fmt.Errorf("this is process 1 of the lab's guest; it has no other use")
	}
	if err := os.Setenv("PATH", "/bin:/usr/bin"); err != nil {
		return err
	}
	if err := mountAll(); err != nil {
		return err
	}
	settings, err := readSettings("/proc/cmdline")
	if err != nil {
		return err
	}
	if err := loadModules(settings.modules); err != nil {
		return err
	}
	if err := bringUpNetwork(); err != nil {
		return err
	}
	return serve(settings)
}
