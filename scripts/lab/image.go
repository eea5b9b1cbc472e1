package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"usbhsm7/scripts/lab/cpio"
)

// File is a file to put into the guest.
type File struct {
	Path   string // where in the guest
	Source string // the host's file
}

// shipped are the modules that the guest holds, with what they need: the host's
// side of USB/IP, its device side, monitoring and test drivers, gadgets, and a
// host controller that QEMU emulates. They are there for modprobe; only Config.Modules are loaded.
var shipped = []string{
	"virtio_pci", "virtio_net",
	"vhci_hcd", "usbip_host", "usbip_vudc", "usbmon", "usbtest",
	"dummy_hcd", "usb_f_fs", "usb_f_ss_lb",
	"xhci_pci",
}

// applets are the busybox commands that the guest has under their own names.
var applets = []string{
	"cat", "cut", "dirname", "dmesg", "echo", "find", "grep", "ip", "kill", "ln", "ls", "lsmod", "mkdir", "mkfifo", "mktemp",
	"modprobe", "mount", "ps", "rm", "rmmod", "sed", "setsid", "sh", "sleep", "sort", "sync", "tail", "test", "timeout", "uname",
}

// programs are the host's own stock programs that the guest gets.
var programs = []string{"usbip", "usbipd", "lsusb"}

// usbNames is the database that usbip and lsusb print names from.
const usbNames = "/usr/share/misc/usb.ids"

// image is an initial RAM file system in the making.
type image struct {
	archive *cpio.Writer
	have    map[string]bool
	err     error
}

// writeImage writes the guest's file system to w. It takes a fraction of a
// second, so it is made anew for each machine.
func writeImage(ctx context.Context, w io.Writer, k *kernel, agent string, files []File) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	im := &image{archive: cpio.NewWriter(buffered), have: make(map[string]bool)}
	im.file("/init", agent)
	im.directory("/dev")
	im.note(im.archive.Character("dev/console", 0o600, 5, 1))
	im.directory("/var")
	im.link("/var/run", "/run")
	im.directory("/root")
	im.busybox()
	im.modules(k)
	im.file(usbNames, usbNames)
	for _, name := range programs {
		im.program(ctx, path.Join("/usr/bin", name), findProgram(name))
	}
	for _, f := range files {
		im.program(ctx, f.Path, f.Source)
	}
	im.note(im.archive.Close())
	im.note(buffered.Flush())
	return im.err
}

func (im *image) note(err error) {
	if im.err == nil {
		im.err = err
	}
}

// directory adds a directory and those above it, unless they are there.
func (im *image) directory(name string) {
	if name == "/" || im.have[name] {
		return
	}
	im.directory(path.Dir(name))
	im.have[name] = true
	im.note(im.archive.Directory(name[1:], 0o755))
}

// begin reports whether name is new, and makes its folder.
func (im *image) begin(name string) bool {
	if !path.IsAbs(name) {
		im.note(fmt.Errorf("path %q in the guest is not absolute", name))
		return false
	}
	if im.err != nil || im.have[name] {
		return false
	}
	im.directory(path.Dir(name))
	im.have[name] = true
	return true
}

func (im *image) link(name, target string) {
	if im.begin(name) {
		im.note(im.archive.Link(name[1:], target))
	}
}

func (im *image) content(name string, perm uint32, content []byte) {
	if im.begin(name) {
		im.note(im.archive.File(name[1:], perm, content))
	}
}

// file adds the host's file source with its permissions.
func (im *image) file(name, source string) {
	info, err := os.Stat(source)
	im.note(err)
	content, err := os.ReadFile(source)
	im.note(err)
	if im.err == nil {
		im.content(name, uint32(info.Mode().Perm()), content)
	}
}

// program adds a file and, if it is a dynamic program, its libraries under
// their own paths.
func (im *image) program(ctx context.Context, name, source string) {
	im.file(name, source)
	if im.err != nil {
		return
	}
	needs, err := libraries(ctx, source)
	im.note(err)
	for _, library := range needs {
		if !im.have[library] {
			im.file(library, library)
		}
	}
}

func (im *image) busybox() {
	im.file("/bin/busybox", findProgram("busybox"))
	for _, applet := range applets {
		im.link("/bin/"+applet, "busybox")
	}
}

// modules adds the shipped modules and the modules.dep that modprobe reads.
func (im *image) modules(k *kernel) {
	order, err := k.loadOrder(shipped)
	im.note(err)
	folder := path.Join("/lib/modules", k.release)
	var depends strings.Builder
	for _, module := range order {
		im.file(path.Join(folder, module), filepath.Join(k.modules, module))
		fmt.Fprintf(&depends, "%s: %s\n", module, strings.Join(k.depends[module], " "))
	}
	im.content(path.Join(folder, "modules.dep"), 0o644, []byte(depends.String()))
}

// findProgram returns the path of a program of the host, also where an
// ordinary user's PATH does not lead.
func findProgram(name string) string {
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	return filepath.Join("/usr/sbin", name)
}

// explain adds to an error what mends it.
func explain(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w (scripts/setup test installs what the lab needs)", err)
	}
	return err
}
