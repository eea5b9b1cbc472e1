package fm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"usbhsm7/firmware/command"
)

// Host answers what a module asks, on behalf of the session that calls it. The
// errors have a command.Status, which the module is told.
type Host interface {
	// Ask runs a command. The request and the response are those of its row in the
	// command table. Modules use info, random, digest, find-objects, sign, verify,
	// encrypt and decrypt.
	Ask(code command.Code, request any) (response any, err error)
	// Log has a line recorded with the call in the audit log.
	Log(line string) error
}

// run is a call under way.
type run struct {
	limits Limits
	host   Host
	input  []byte
	output []byte
	asks   int
	logged int // bytes
	depth  int
}

// runKey is the key of the run in the context of a call.
type runKey struct{}

func runOf(ctx context.Context) *run { return ctx.Value(runKey{}).(*run) }

// Call calls a function of a module and returns its output. A module that does not
// do what it should gives command.StatusCancel, one that uses too much the
// status of that limit, an unknown function command.StatusFMIDInvalid. When ctx ends
// so does the call, with the error of ctx.
func (e *Engine) Call(ctx context.Context, code []byte, function string, input []byte, host Host) ([]byte, error) {
	m, err := e.compile(code)
	if err != nil {
		return nil, err
	}
	defer e.release(m)
	if f, ok := m.ExportedFunctions()[function]; !ok || !callable(f) {
		return nil, command.StatusFMIDInvalid.Withf("the module has no function %q", function)
	}
	r := &run{limits: e.limits, host: host, input: input}
	inside, cancel := context.WithTimeout(context.WithValue(ctx, runKey{}, r), e.limits.Time)
	defer cancel()
	result, err := r.call(inside, m, function)
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err != nil:
		err = r.failure(inside, err)
	case result != 0:
		err = command.StatusCancel.Withf("the module ended with %d", int32(result))
	}
	if err != nil {
		clear(r.output)
		return nil, err
	}
	return r.output, nil
}

// call makes an instance of the module, calls the function, and wipes the memory.
func (r *run) call(ctx context.Context, m *compiled, function string) (result uint32, err error) {
	defer func() {
		if p := recover(); p != nil { // a defect of the runtime must not end the device
			err = fmt.Errorf("the runtime failed: %v", p)
		}
	}()
	instance, err := m.runtime.InstantiateModule(ctx, m.CompiledModule, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return 0, err
	}
	defer func() {
		wipe(instance.Memory())
		_ = instance.Close(context.WithoutCancel(ctx)) // frees memory: cannot fail
	}()
	results, err := instance.ExportedFunction(function).Call(ctx)
	if err != nil {
		return 0, err
	}
	return uint32(results[0]), nil
}

func wipe(m api.Memory) {
	if all, ok := m.Read(0, m.Size()); ok {
		clear(all)
	}
}

// failure says what a call failed with.
func (r *run) failure(ctx context.Context, err error) error {
	var limit *excess
	switch {
	case errors.As(err, &limit):
		return limit.refusal
	case ctx.Err() != nil:
		return command.StatusTimeout.With(fmt.Sprintf("the module ran for more than %v", r.limits.Time), "have it do less in one call")
	}
	return command.StatusCancel.With("the module failed: "+reason(err), "")
}

// reason is what the runtime says first about a failure, without the stack.
func reason(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(strings.TrimSuffix(line, " (recovered by wazero)"), "wasm error: ")
}

// watch has each function of a module look, when it is called, at the depth of the
// stack and at the time: the runtime itself looks at the time in loops only.
var watch = experimental.FunctionListenerFactoryFunc(func(api.FunctionDefinition) experimental.FunctionListener { return watcher{} })

type watcher struct{}

// Before implements experimental.FunctionListener. A listener stops a call by a
// panic, which the runtime turns into the error of the call.
func (watcher) Before(ctx context.Context, _ api.Module, _ api.FunctionDefinition, _ []uint64, _ experimental.StackIterator) {
	r := runOf(ctx)
	if r.depth++; r.depth > r.limits.Depth {
		panic(exceeded(command.StatusNotEnoughMemory, fmt.Sprintf("more than %d functions of the module have called each other", r.limits.Depth), ""))
	}
	if err := ctx.Err(); err != nil {
		panic(err)
	}
}

// After implements experimental.FunctionListener.
func (watcher) After(ctx context.Context, _ api.Module, _ api.FunctionDefinition, _ []uint64) {
	runOf(ctx).depth--
}

// Abort implements experimental.FunctionListener.
func (watcher) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}
