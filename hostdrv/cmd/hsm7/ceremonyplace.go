package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"usbhsm7/firmware/control"
	"usbhsm7/hostdrv/ceremony"
)

// place returns where a ceremony is held: the simulator that is there; or one of
// its own, at which those ceremonies are held that come before it.
func (a *app) place(ctx context.Context, h holding, c *ceremony.Ceremony) (ceremony.Place, error) {
	if h.control != "" && !h.rehearse {
		client := control.NewClient(h.control)
		status, err := client.Status(ctx)
		a.showScreen(h, status)
		return ceremony.Place{Simulator: client, Host: hostAt(reaching(h, status)), Leave: func() error { return nil }}, err
	}
	own, status, err := startSimulator(ctx, h)
	if err != nil {
		return ceremony.Place{}, err
	}
	place := ceremony.Place{Simulator: control.NewClient(status.Control), Host: hostAt(throughUSBIP(status)), Leave: own.stop}
	if err := a.holdBefore(ctx, h, c, place); err != nil {
		return place, errors.Join(err, own.stop())
	}
	a.showScreen(h, status)
	return place, nil
}

// showScreen tells people where they find the screen.
func (a *app) showScreen(h holding, s control.Status) {
	if h.byHand && s.Screen != "" && !a.json {
		fmt.Fprintf(a.out, "The screen: %s\n", s.Screen)
	}
}

// holdBefore holds the ceremonies that one follows, the first one first.
func (a *app) holdBefore(ctx context.Context, h holding, c *ceremony.Ceremony, place ceremony.Place) error {
	before, err := c.Before()
	if err != nil || before == nil {
		return err
	}
	if err := a.holdBefore(ctx, h, before, place); err != nil {
		return err
	}
	runner := &ceremony.Runner{Ceremony: before, Simulator: place.Simulator, Host: place.Host, Folder: h.folder, Pace: pace}
	if err := runner.Run(ctx, runner.NewRecord(), 1); err != nil {
		return fmt.Errorf("%s, which comes before: %w", before.Name, err)
	}
	return nil
}

// reaching returns the flags with which commands reach a simulator that is there.
func reaching(h holding, s control.Status) []string {
	switch {
	case len(h.reach) > 0:
		return h.reach
	case s.Kernel != nil:
		return []string{"--via", string(overUSB), "--path", s.Kernel.Local}
	}
	return throughUSBIP(s)
}

func throughUSBIP(s control.Status) []string {
	return []string{"--via", string(overUSBIP), "--usbip", s.Listen, "--path", s.BusID}
}

// hostAt returns a host that runs this program's commands for one device, in this
// process.
func hostAt(reach []string) ceremony.Host {
	return func(ctx context.Context, args []string) (string, int) {
		nothing, err := os.Open(os.DevNull)
		if err != nil {
			return err.Error(), exitStatus(err)
		}
		defer nothing.Close()
		var out words
		nested := &app{in: nothing, out: &out, errs: &out, told: true}
		root := nested.command()
		root.SetArgs(slices.Concat(reach, args))
		root.SetIn(nothing)
		root.SetOut(&out)
		root.SetErr(&out)
		if err = root.ExecuteContext(ctx); err != nil {
			nested.complain(err)
		}
		return out.String(), exitStatus(err)
	}
}

// words is what a command prints, also from several goroutines.
type words struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// checkCommands finds command lines of a ceremony that hsm7 does not know.
func checkCommands(c *ceremony.Ceremony) error {
	for _, line := range c.Commands() {
		root := (&app{}).command()
		cmd, rest, err := root.Find(line.Args)
		if err == nil && cmd.HasSubCommands() {
			if err = knownCommand(cmd, rest); err == nil {
				err = usagef("%q alone does nothing; %s --help lists what it has", cmd.CommandPath(), cmd.CommandPath())
			}
		}
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil && cmd.Args != nil {
			err = cmd.Args(cmd, cmd.Flags().Args())
		}
		if err != nil {
			return fmt.Errorf("%s: %w: line %d: hsm7 cannot run this step: %w", c.Name, ceremony.ErrFile, line.Line, err)
		}
	}
	return nil
}

// ownSimulator is one that was started for a ceremony.
type ownSimulator struct {
	cmd    *exec.Cmd
	folder string
}

// patienceToStart is how long a simulator may take until it is ready.
const patienceToStart = 30 * time.Second

// startSimulator starts a simulator that keeps nothing.
func startSimulator(ctx context.Context, h holding) (*ownSimulator, control.Status, error) {
	program, err := h.program()
	if err != nil {
		return nil, control.Status{}, err
	}
	folder, err := os.MkdirTemp("", "hsm7-ceremony-")
	if err != nil {
		return nil, control.Status{}, err
	}
	s := &ownSimulator{folder: folder}
	args := []string{
		"--ephemeral", "--log-format", "none", "--ready-fd", "3", "--listen", "unix:" + filepath.Join(folder, "usbip.sock"),
		"--control", filepath.Join(folder, "control.sock"),
	}
	if h.byHand {
		args = append(args, "--screen", "127.0.0.1:0")
	} else {
		args = append(args, "--seed", h.seed)
	}
	s.cmd = exec.Command(program, args...)
	status, err := s.start(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("start %s: %w", program, err), s.stop())
	}
	return s, status, err
}

// program finds usbhsm7.
func (h holding) program() (string, error) {
	if h.firmware != "" {
		return h.firmware, nil
	}
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), "usbhsm7")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	found, err := exec.LookPath("usbhsm7")
	if err != nil {
		return "", usagef("there is no usbhsm7 beside hsm7 or on the path: say where it is with --firmware, or give a simulator that runs with --control")
	}
	return found, nil
}

// start starts the process and waits until it is ready.
func (s *ownSimulator) start(ctx context.Context) (status control.Status, err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return status, err
	}
	defer reader.Close()
	s.cmd.Stderr = os.Stderr
	s.cmd.ExtraFiles = []*os.File{writer}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the ceremony, which stops it
	err = s.cmd.Start()
	_ = writer.Close()
	if err != nil {
		return status, err
	}
	ctx, over := context.WithTimeout(ctx, patienceToStart)
	defer over()
	defer context.AfterFunc(ctx, func() { _ = reader.Close() })()
	if err := json.NewDecoder(reader).Decode(&status); err != nil {
		return status, errors.Join(errors.New("it did not get ready"), ctx.Err())
	}
	return status, nil
}

// stop switches the simulator off and removes its folder.
func (s *ownSimulator) stop() error {
	if s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		_ = s.cmd.Wait() // it keeps nothing: how it ends is no matter
	}
	return os.RemoveAll(s.folder)
}
