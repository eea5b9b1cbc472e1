package lab

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"usbhsm7/scripts/lab/protocol"
)

// HostAddress is where the guest finds what listens on the host's 127.0.0.1.
const HostAddress = "10.0.2.2"

// commandLine returns the kernel's parameters: talk on the serial line, restart
// (which ends QEMU) on any panic or oops, and skip what costs time under
// emulation.
func commandLine(port int, token string, modules []string) string {
	return strings.Join([]string{
		"console=ttyS0", "quiet", "panic=-1", "oops=panic", "log_buf_len=4M",
		"mitigations=off", "nokaslr", "random.trust_cpu=on", "cryptomgr.notests", "tsc=reliable", "no_timer_check",
		fmt.Sprintf("%s=%s:%d", protocol.ParamHost, HostAddress, port),
		protocol.ParamToken + "=" + token,
		protocol.ParamModules + "=" + strings.Join(modules, ","),
	}, " ")
}

// qemu returns the emulator's command. One processor and no KVM: that is the
// quickest on a machine that shares its cores, and works everywhere.
func qemu(kernelImage, initrd, parameters string) *exec.Cmd {
	cmd := exec.Command("qemu-system-x86_64",
		"-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "1", "-m", "512",
		"-nodefaults", "-no-user-config", "-vga", "none", "-display", "none",
		"-serial", "stdio", "-monitor", "none", "-no-reboot",
		"-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile=",
		"-kernel", kernelImage, "-initrd", initrd, "-append", parameters)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// supervise starts cmd and returns a channel that is closed when it has ended.
// Pdeathsig follows the thread that started the child, not the process: so one
// goroutine holds that thread until the child has ended.
func supervise(cmd *exec.Cmd) (gone <-chan struct{}, err error) {
	started := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended shows on the console
		}
	}()
	return ended, <-started
}
