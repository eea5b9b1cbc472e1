// Hsm7 does on the host everything there is to do with a USB HSM, simulated or
// real: find and attach it, set it up, use its keys.
//
//	hsm7 list
//	hsm7 hsm init --label demo
//	hsm7 key generate --type ec-p256 --label root
//	hsm7 sign --key root --in file --out file.sig
//
// hsm7 help COMMAND tells more. Exit statuses are in exit.go.
//
// The commands are methods of app, which app.go puts together: each opens what it
// needs by withDevice, withSession or withLogin, and prints by print, as text or as
// JSON. A file holds the commands of one group, or of one of them where that is long:
//
//	the HSM and its roles     admin, role, challenge, policy, state, audit
//	keys                      key, keykind, object, sign, cipher, cert, keyauth, transport, bench
//	firmware                  updatefw, updatecap, fm, fuf and what begins with it
//	the simulator             sim and what begins with it
//	ceremonies                ceremony and what begins with it
//	the bus                   devices, inventory, attach, watch, doctor, capture, replay, tls
//	what commands share       where, wait, attend, password, file, progress, recorder, exit
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "unknown"

func main() { new(app).main() }

// main runs the command line of the process.
func (a *app) main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(a.run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs one command line and returns its exit status.
func (a *app) run(ctx context.Context, args []string, in *os.File, stdout, errs *os.File) int {
	out := &output{file: stdout}
	a.in, a.out, a.errs = in, out, errs
	root := a.command()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.err
	}
	if err != nil {
		a.complain(err)
	}
	return exitStatus(err)
}

// output is standard output. It remembers that something could not be written,
// so that a full disk is not taken for success. A reader that has seen enough and
// left is no failure.
type output struct {
	file *os.File
	err  error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.file.Write(p)
	if err != nil && o.err == nil && !errors.Is(err, syscall.EPIPE) {
		o.err = fmt.Errorf("write the output: %w", err)
	}
	return n, err
}

// complain tells the user what went wrong, as JSON if that is the language.
func (a *app) complain(err error) {
	if a.json {
		_ = encodeJSON(a.errs, describe(err))
		return
	}
	fmt.Fprintln(a.errs, "hsm7:", explain(err))
}
