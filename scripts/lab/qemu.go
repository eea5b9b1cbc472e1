package lab

import (
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strconv"
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

// qemu returns the emulator's command. There is no KVM: so it works everywhere.
func qemu(kernelImage, initrd, parameters string, ports forwards, config Config) *exec.Cmd {
	threads := "multi"
	if config.VirtualTime {
		threads = "single"
		config.Hardware = append([]string{"-icount", "shift=0,sleep=off"}, config.Hardware...)
	}
	arguments := []string{
		"-accel", "tcg,thread=" + threads, "-cpu", "Nehalem", "-smp", strconv.Itoa(max(1, config.Processors)), "-m", "512",
		"-nodefaults", "-no-user-config", "-vga", "none", "-display", "none",
		"-serial", "stdio", "-monitor", "none", "-no-reboot",
		"-netdev", "user,id=n0" + ports.option(), "-device", "virtio-net-pci,netdev=n0,romfile=",
		"-kernel", kernelImage, "-initrd", initrd, "-append", parameters,
	}
	cmd := exec.Command("qemu-system-x86_64", append(arguments, config.Hardware...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// forwards are the guest's TCP ports that the host reaches, and where.
type forwards map[int]string

// forward finds a free port of the host for each of the guest's. Somebody may
// take one before QEMU does: then QEMU says so and the machine does not start.
func forward(ports []int) (forwards, error) {
	found := make(forwards)
	for _, port := range ports {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // all are held until each has its own
		found[port] = listener.Addr().String()
	}
	return found, nil
}

// option returns f as a part of QEMU's option -netdev user.
func (f forwards) option() string {
	var text strings.Builder
	for port, address := range f {
		fmt.Fprintf(&text, ",hostfwd=tcp:%s-:%d", address, port)
	}
	return text.String()
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
