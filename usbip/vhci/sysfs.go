package vhci

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Errors of this package. The error that wraps one says what mends it.
var (
	ErrNoModule    = errors.New("the kernel module vhci_hcd is not loaded")
	ErrPermission  = errors.New("no permission to attach USB devices to the kernel")
	ErrReadOnly    = fmt.Errorf("%w: sysfs is read-only here", ErrPermission)
	ErrNoPort      = errors.New("no free port")
	ErrNotAttached = errors.New("nothing is attached to the port")
	ErrGone        = errors.New("the device went away while the kernel was enumerating it")
)

// Controller is the virtual host controller of the kernel behind a sysfs. The
// zero value is this machine's.
type Controller struct {
	Sysfs string // where sysfs is mounted; empty: /sys
	State string // where remote addresses are noted; empty: /var/run/vhci_hcd

	// refuse, in tests, is asked before a line is written to a file of the
	// controller, and answers as a kernel would.
	refuse func(name, line string) error
}

func (c Controller) sysfs(elements ...string) string {
	return filepath.Join(append([]string{or(c.Sysfs, "/sys")}, elements...)...)
}

// attribute returns the path of a file of the first controller, which holds the
// files of all.
func (c Controller) attribute(name string) string {
	return c.sysfs("devices", "platform", "vhci_hcd.0", name)
}

func (c Controller) note(port int) string {
	return filepath.Join(or(c.State, "/var/run/vhci_hcd"), fmt.Sprintf("port%d", port))
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// Available reports whether devices can be attached: nil, or an error that wraps
// ErrNoModule or ErrPermission and says how to mend it.
func (c Controller) Available() error {
	f, err := os.OpenFile(c.attribute("attach"), os.O_WRONLY, 0) // opening changes nothing
	if err != nil {
		return explain(err)
	}
	return f.Close()
}

// Ports returns the ports in use, in the order of their numbers. The error
// wraps ErrNoModule where there is no controller.
func (c Controller) Ports() ([]Port, error) {
	ports, err := c.AllPorts()
	return slices.DeleteFunc(ports, func(p Port) bool { return p.Status == StatusFree }), err
}

// AllPorts is Ports with those that are free. How many there are depends on how
// the kernel was built.
func (c Controller) AllPorts() ([]Port, error) {
	var ports []Port
	for controller := 0; ; controller++ {
		name := "status"
		if controller > 0 {
			name = fmt.Sprintf("status.%d", controller)
		}
		more, err := c.readStatus(c.attribute(name))
		if controller > 0 && errors.Is(err, fs.ErrNotExist) {
			return ports, nil
		}
		if err != nil {
			return nil, explain(err)
		}
		ports = append(ports, more...)
	}
}

func (c Controller) readStatus(path string) ([]Port, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ports, err := parseStatus(f)
	if err != nil {
		return nil, err
	}
	for i := range ports {
		if ports[i].Status != StatusFree {
			ports[i].Address, ports[i].BusID = readNote(c.note(ports[i].Number))
		}
	}
	return ports, nil
}

// port returns one port.
func (c Controller) port(number int) (Port, error) {
	ports, err := c.AllPorts()
	if err != nil {
		return Port{}, err
	}
	for _, p := range ports {
		if p.Number == number {
			return p, nil
		}
	}
	return Port{}, fmt.Errorf("port %d: %w: there are only %d ports", number, ErrNotAttached, len(ports))
}

// write writes a line to a file of the controller, in one call as sysfs wants.
func (c Controller) write(name, line string) error {
	if c.refuse != nil {
		if err := c.refuse(name, line); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(c.attribute(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// explain turns what the file system says into what is missing.
func explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: run 'sudo modprobe vhci-hcd' (if there is no such module, this kernel's package leaves it out: Debian's linux-image-amd64 and Ubuntu's linux-modules-extra have it)", ErrNoModule)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w, as in a container: attach on the host", ErrReadOnly)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run as root (sudo)", ErrPermission)
	case errors.Is(err, syscall.EINVAL):
		return fmt.Errorf("the kernel refuses the device; dmesg says why: %w", err)
	default:
		return err
	}
}

// noPort stands in a note for the TCP port of an address that has none.
const noPort = "-"

// writeNote notes where a port leads, as `usbip attach` does: "host port busid".
// An address without a port goes into the place of the host: for the port the
// usbip tool has room for 31 characters only.
func writeNote(path, address, busID string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.HasPrefix(address, "unix:") {
		host, port = address, noPort
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, fmt.Appendf(nil, "%s %s %s\n", host, port, busID), 0o644)
}

// readNote returns empty strings where there is no readable note.
func readNote(path string) (address, busID string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", ""
	}
	f := strings.Split(strings.TrimSuffix(string(text), "\n"), " ")
	last := len(f) - 1
	if last < 2 {
		return "", ""
	}
	host := strings.Join(f[:last-1], " ") // a path may have blanks
	if f[last-1] == noPort {
		return host, f[last]
	}
	return net.JoinHostPort(host, f[last-1]), f[last]
}
