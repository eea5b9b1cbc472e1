package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/control"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/audit"
	"usbhsm7/hostdrv/ceremony"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/socket"
)

// errUsage marks wrong flags and arguments.
var errUsage = errors.New("wrong use")

// usagef returns an error for wrong flags or arguments.
func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errUsage, fmt.Errorf(format, args...))
}

// exits maps errors to exit statuses, first match first. It is also the text
// of hsm7 --help.
var exits = []struct {
	status int
	when   string
	is     func(error) bool
}{
	{2, "wrong flags or arguments, or no file of a ceremony", func(err error) bool { return errors.Is(err, errUsage) || errors.Is(err, ceremony.ErrFile) }},
	{3, "no device, or no permission to use it", func(err error) bool {
		return errors.Is(err, transport.ErrNotFound) || errors.Is(err, transport.ErrPermission) ||
			errors.Is(err, transport.ErrBusy) || errors.Is(err, control.ErrUnreachable) ||
			errors.Is(err, socket.ErrNoServer) || errors.Is(err, socket.ErrTLS)
	}},
	{4, "the signature, the ciphertext, the audit log or the update file is not genuine", func(err error) bool {
		var bad *audit.BadLine
		return isReason(err) || errors.As(err, &bad) || errors.Is(err, command.StatusSignatureInvalid) || errors.Is(err, command.StatusSignatureLenRange) ||
			errors.Is(err, command.StatusEncryptedDataInvalid) || errors.Is(err, errAuditLog)
	}},
	{5, "the device refused the command", func(err error) bool {
		var refusal *command.Error
		return errors.As(err, &refusal)
	}},
	{6, "the device went away or did not answer in time", func(err error) bool {
		return errors.Is(err, transport.ErrDisconnected) || errors.Is(err, hostdrv.ErrNoAnswer) ||
			errors.Is(err, context.DeadlineExceeded)
	}},
	{7, "the host did not follow the recording (hsm7 replay)", func(err error) bool { return errors.Is(err, errNotFollowed) }},
	{8, "hsm7 doctor: there is no way to use a device", func(err error) bool { return errors.Is(err, errNoWay) }},
	{9, "hsm7 ceremony: it departed from its file", func(err error) bool { return errors.Is(err, ceremony.ErrDeparted) }},
	{10, "hsm7 fuf rehearse, replay: the update is not safe on the device", func(err error) bool { return errors.Is(err, errRehearsal) }},
	{130, "interrupted", func(err error) bool { return errors.Is(err, context.Canceled) }},
	{1, "any other failure", func(err error) bool { return err != nil }},
}

// isReason reports whether an update file was refused.
func isReason(err error) bool {
	var reason fuf.Reason
	return errors.As(err, &reason)
}

// exitStatus returns the exit status for err, 0 for nil.
func exitStatus(err error) int {
	for _, exit := range exits {
		if exit.is(err) {
			return exit.status
		}
	}
	return 0
}

func exitTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %3d  done\n", 0)
	for _, exit := range exits {
		fmt.Fprintf(&b, "  %3d  %s\n", exit.status, exit.when)
	}
	return b.String()
}

const noDevice = "is a simulator running (usbhsm7 --ephemeral), or a device attached (hsm7 attach) or plugged in? hsm7 list shows what is there"

// hints say what to do about errors that do not say it themselves.
var hints = []struct {
	err  error
	hint string
}{
	{boot.ErrCorrupt, "a device does not start on such a flash: take another snapshot; docs/recovery.md tells what is lost"},
	{errRunning, "its control socket is elsewhere: hsm7 sim snapshot FILE --control SOCKET, and rehearse with --device FILE; or stop it"},
	{control.ErrUnreachable, "does usbhsm7 run with this --control, or with its --state-dir there?"},
	{transport.ErrNotFound, noDevice},
	{socket.ErrNoServer, noDevice},
	{transport.ErrBusy, "another program uses it: stop that program, or detach the device (hsm7 detach)"},
	{transport.ErrPermission, "install scripts/udev/70-usbhsm7.rules, or run as root"},
	{transport.ErrDisconnected, "check the cable, or whether the simulator still runs"},
	{fuf.ErrUnsigned, "a signer signs with two keys: hsm7 fuf sign adds what is missing"},
	{fuf.ErrSigner, "--trust FILE says whose signatures count"},
	{fuf.ErrAuthcode, "the code comes with the update, in a file of its own: 16 characters of base64"},
	{fuf.ErrLength, "fetch the file again: a part of it is missing, or something was added"},
	{sweep.ErrAlike, "nothing was found against the update: give it a version that the device does not have, or rehearse it on a device that does not have this one"},
	{context.DeadlineExceeded, "the device did not answer in time; --timeout gives it longer"},
}

// hint returns advice for err, empty if there is none.
func hint(err error) string {
	if errors.Is(err, command.StatusPINExpired) {
		return "another role has set the password or challenge secret; choose one: hsm7 role password ROLE --new-password-file FILE"
	}
	if refusal := (*command.Error)(nil); errors.As(err, &refusal) {
		return refusal.Hint
	}
	if hint := control.HintOf(err); hint != "" {
		return hint
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}

// explain returns err and what to do about it, for people.
func explain(err error) string {
	text := tell(err)
	if h := hint(err); h != "" && !strings.Contains(text, h) {
		text += "\n  hint: " + h
	}
	return text
}

// tell returns the text of err. Who pressed Ctrl-C has heard of no context, whose end the
// network calls by another name.
func tell(err error) string {
	text := err.Error()
	for _, name := range []string{context.Canceled.Error(), "operation was canceled"} {
		if before, canceled := strings.CutSuffix(text, name); canceled {
			return before + "interrupted"
		}
	}
	return text
}

// failure is an error as --json prints it.
type failure struct {
	Error  string `json:"error"`
	Hint   string `json:"hint,omitempty"`
	Status string `json:"status,omitempty"` // of the device, such as 00A00000
	Name   string `json:"name,omitempty"`   // such as LUNA_RET_UM_PIN_INCORRECT
	Reason string `json:"reason,omitempty"` // why an update file was refused, such as signature
}

func describe(err error) failure {
	f := failure{Error: tell(err), Hint: hint(err)}
	if refusal := (*command.Error)(nil); errors.As(err, &refusal) {
		f.Status = fmt.Sprintf("%08X", uint32(refusal.Status))
		f.Name, _ = refusal.Status.Name()
	}
	if reason := fuf.Reason(""); errors.As(err, &reason) {
		f.Reason = string(reason)
	}
	return f
}
