package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"time"

	"usbhsm7/scripts/lab/protocol"
)

// outputLimit bounds what is kept of each output of a program; the rest is
// dropped.
const outputLimit = 16 << 20

// Command is a program to run in the guest.
type Command struct {
	Argv   []string  // the program, by path or name, and its arguments
	Env    []string  // added to the guest's environment
	Dir    string    // empty: /
	User   uint32    // number of the user and group to run as; 0: root
	Stdin  []byte    // standard input
	Stdout io.Writer // also gets the standard output as it is written; may be nil
}

// Result is what a program left behind.
type Result struct {
	Stdout, Stderr string
	Code           int           // exit code; 128+n for a program that signal n ended
	Took           time.Duration // as the host saw it
}

// ExitError tells that a program ended with another exit code than 0.
type ExitError struct {
	Argv []string
	Result
}

func (e *ExitError) Error() string {
	said := strings.TrimSpace(e.Stderr)
	if said == "" {
		said = strings.TrimSpace(e.Stdout)
	}
	return fmt.Sprintf("%s: exit code %d: %s", strings.Join(e.Argv, " "), e.Code, said)
}

// Exec runs a program and waits for its end. Errors: *ExitError, with which the
// result is complete; ErrDied; what kept the program from starting; and
// context.DeadlineExceeded: after 60 s where ctx has no deadline. The program is
// killed when ctx ends.
func (m *Machine) Exec(ctx context.Context, argv ...string) (Result, error) {
	return m.Run(ctx, Command{Argv: argv})
}

// Run is Exec for a Command.
func (m *Machine) Run(ctx context.Context, c Command) (Result, error) {
	p, err := m.Start(ctx, c)
	if err != nil {
		return Result{}, err
	}
	return p.Wait()
}

// Process is a running program.
type Process struct {
	argv   []string
	conn   net.Conn
	ended  chan struct{}
	result Result
	err    error
}

// Start starts a program. ctx bounds its whole life, as for Exec.
func (m *Machine) Start(ctx context.Context, c Command) (*Process, error) {
	ctx, cancel := withLimit(ctx)
	r, err := m.send(ctx, protocol.Request{
		Op: protocol.Exec, Argv: c.Argv, Env: c.Env, Dir: c.Dir, User: c.User, Data: c.Stdin,
	})
	if err != nil {
		cancel()
		return nil, err
	}
	p := &Process{argv: c.Argv, conn: r.conn, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		defer cancel()
		p.collect(ctx, r, c.Stdout)
	}()
	return p, nil
}

// Wait waits for the end; see Exec for its errors.
func (p *Process) Wait() (Result, error) {
	<-p.ended
	if p.err == nil && p.result.Code != 0 {
		return p.result, &ExitError{p.argv, p.result}
	}
	return p.result, p.err
}

// Kill ends the program and all it started. Wait then returns an error.
func (p *Process) Kill() { p.conn.Close() }

func (p *Process) collect(ctx context.Context, r *reply, tee io.Writer) {
	began := time.Now()
	stdout, stderr := limited{}, limited{}
	last, err := r.read(ctx, func(part protocol.Reply) {
		_, _ = stdout.Write(part.Stdout)
		_, _ = stderr.Write(part.Stderr)
		if tee != nil && len(part.Stdout) > 0 {
			_, _ = tee.Write(part.Stdout)
		}
	})
	if err != nil {
		err = fmt.Errorf("%s: %w", strings.Join(p.argv, " "), err)
	}
	p.err = err
	p.result = Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: last.Code, Took: time.Since(began)}
}

// Put writes a file in the guest, creating its folders.
func (m *Machine) Put(ctx context.Context, path string, mode fs.FileMode, content []byte) error {
	_, err := m.ask(ctx, protocol.Request{Op: protocol.Put, Path: path, Mode: mode, Data: content})
	return err
}

// Get reads a file of the guest.
func (m *Machine) Get(ctx context.Context, path string) ([]byte, error) {
	last, err := m.ask(ctx, protocol.Request{Op: protocol.Get, Path: path})
	return last.Data, err
}

// Await waits until a path of the guest matches pattern (path.Match) and
// returns the paths that do.
func (m *Machine) Await(ctx context.Context, pattern string) ([]string, error) {
	last, err := m.ask(ctx, protocol.Request{Op: protocol.Await, Path: pattern, Present: true})
	return strings.Fields(last.Path), err
}

// AwaitAbsence waits until no path of the guest matches pattern.
func (m *Machine) AwaitAbsence(ctx context.Context, pattern string) error {
	_, err := m.ask(ctx, protocol.Request{Op: protocol.Await, Path: pattern})
	return err
}

// ask sends a request and returns the last part of the answer.
func (m *Machine) ask(ctx context.Context, request protocol.Request) (protocol.Reply, error) {
	ctx, cancel := withLimit(ctx)
	defer cancel()
	r, err := m.send(ctx, request)
	if err != nil {
		return protocol.Reply{}, err
	}
	last, err := r.read(ctx, func(protocol.Reply) {})
	if err != nil {
		err = fmt.Errorf("%s %s: %w", request.Op, request.Path, err)
	}
	return last, err
}

func withLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, stepLimit)
}

// reply is an answer on its way. Its connection is closed when the request's
// context ends.
type reply struct {
	machine *Machine
	conn    net.Conn
	release func() bool
}

func (m *Machine) send(ctx context.Context, request protocol.Request) (*reply, error) {
	v, err := m.take(ctx)
	if err != nil {
		return nil, err
	}
	r := &reply{m, v.conn, context.AfterFunc(ctx, func() { v.conn.Close() })}
	if err := json.NewEncoder(v.conn).Encode(request); err != nil {
		return nil, r.fail(ctx, err)
	}
	return r, nil
}

// read hands each part of the answer to part and returns the last one.
func (r *reply) read(ctx context.Context, part func(protocol.Reply)) (protocol.Reply, error) {
	decoder := json.NewDecoder(r.conn)
	for {
		var next protocol.Reply
		if err := decoder.Decode(&next); err != nil {
			return next, r.fail(ctx, err)
		}
		part(next)
		if !next.Done {
			continue
		}
		r.end()
		if next.Error != "" {
			return next, fmt.Errorf("in the guest: %s", next.Error)
		}
		return next, nil
	}
}

func (r *reply) end() {
	r.release()
	r.conn.Close()
}

// fail says why an answer did not come. The agent does not end a connection in
// the middle of an answer, so where the connection fails by itself the guest is
// dying, though its emulator may not have ended yet.
func (r *reply) fail(ctx context.Context, err error) error {
	r.end()
	grace, cancel := context.WithTimeout(ctx, deathLimit)
	defer cancel()
	if ctx.Err() == nil {
		select {
		case <-r.machine.gone:
			return r.machine.explain(ErrDied)
		case <-grace.Done():
		}
	}
	if ctx.Err() != nil {
		return r.machine.explain(ctx.Err())
	}
	return fmt.Errorf("connection to the guest: %w", err)
}

// limited keeps the first outputLimit bytes.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), outputLimit-l.Len())])
	return len(p), nil
}
