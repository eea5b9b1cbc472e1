package fm

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"usbhsm7/firmware/command"
)

// features is what modules may be written with: WebAssembly 1.0 and what compilers
// use of 2.0, without what lets a table grow.
const features = api.CoreFeaturesV1 | api.CoreFeatureBulkMemoryOperations | api.CoreFeatureMultiValue |
	api.CoreFeatureNonTrappingFloatToIntConversion | api.CoreFeatureSignExtensionOps

// maxCompiled is how many modules an engine keeps ready to be called.
const maxCompiled = 16

// Engine runs modules. It may be used by several goroutines at once.
type Engine struct {
	limits Limits

	mu       sync.Mutex
	runtime  wazero.Runtime // nil until the first module comes
	compiled []*compiled    // the one last used at the end
}

// compiled is a module that is ready to be called.
type compiled struct {
	digest [sha256.Size]byte
	wazero.CompiledModule
	runtime wazero.Runtime // that it was made in
	users   int            // calls under way
	old     bool           // it is to be closed by the last one of them
}

// New returns an engine. It costs nothing until a module is checked or called.
func New(l Limits) *Engine { return &Engine{limits: l} }

// Close forgets the modules, and stops the calls that are under way.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.runtime == nil {
		return nil
	}
	err := e.runtime.Close(context.Background())
	e.runtime, e.compiled = nil, nil
	return err
}

// Check reports whether code is a module that can be called, and the names of its
// functions. The error carries command.StatusInvalidFUFHeader.
func (e *Engine) Check(code []byte) (functions []string, err error) {
	m, err := e.compile(code)
	if err != nil {
		return nil, err
	}
	defer e.release(m)
	for name, f := range m.ExportedFunctions() {
		if callable(f) {
			functions = append(functions, name)
		}
	}
	slices.Sort(functions)
	return functions, nil
}

// callable reports whether a function is one that Call can call.
func callable(f api.FunctionDefinition) bool {
	return len(f.ParamTypes()) == 0 && slices.Equal(f.ResultTypes(), []api.ValueType{api.ValueTypeI32})
}

// compile returns a module ready to be called; the caller releases it.
func (e *Engine) compile(code []byte) (*compiled, error) {
	digest := sha256.Sum256(code)
	e.mu.Lock()
	defer e.mu.Unlock()
	at := slices.IndexFunc(e.compiled, func(m *compiled) bool { return m.digest == digest })
	if at >= 0 {
		m := e.compiled[at]
		e.compiled = append(slices.Delete(e.compiled, at, at+1), m)
		m.users++
		return m, nil
	}
	module, err := e.translate(code)
	if err != nil {
		return nil, command.StatusInvalidFUFHeader.Withf("no functional module: %v", err)
	}
	m := &compiled{digest: digest, CompiledModule: module, runtime: e.runtime, users: 1}
	e.compiled = append(e.compiled, m)
	if len(e.compiled) > maxCompiled {
		e.compiled[0].old = true
		e.drop(e.compiled[0])
		e.compiled = slices.Delete(e.compiled, 0, 1)
	}
	return m, nil
}

func (e *Engine) release(m *compiled) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m.users--
	e.drop(m)
}

// drop closes a module that nobody uses or will use. The lock is held.
func (e *Engine) drop(m *compiled) {
	if m.old && m.users == 0 {
		_ = m.CompiledModule.Close(context.Background()) // frees memory: cannot fail
	}
}

// translate has the runtime check and translate a module. What the runtime does not
// expect in a module must not end the device. The lock is held.
func (e *Engine) translate(code []byte) (module wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			module, err = nil, fmt.Errorf("the runtime does not understand it: %v", p)
		}
	}()
	if code, err = scan(code); err != nil {
		return nil, err
	}
	if err := e.start(); err != nil {
		return nil, err
	}
	ctx := experimental.WithFunctionListenerFactory(context.Background(), watch)
	module, err = e.runtime.CompileModule(ctx, code)
	if err != nil {
		return nil, err
	}
	if err := checkImports(module); err != nil {
		_ = module.Close(ctx) // it is refused anyhow
		return nil, err
	}
	return module, nil
}

// start makes the runtime, in which the one module that others may import is.
func (e *Engine) start() error {
	if e.runtime != nil {
		return nil
	}
	ctx := context.Background()
	config := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features).
		WithMemoryLimitPages(e.limits.Pages).
		WithMemoryCapacityFromMax(true). // so that it never moves, and can be wiped
		WithCloseOnContextDone(true).WithDebugInfoEnabled(false)
	runtime := wazero.NewRuntimeWithConfig(ctx, config)
	builder := runtime.NewHostModuleBuilder(ImportModule)
	for _, f := range Imports {
		builder.NewFunctionBuilder().WithGoModuleFunction(f.host(), f.params(), []api.ValueType{api.ValueTypeI64}).Export(f.Name)
	}
	if _, err := builder.Instantiate(ctx); err != nil {
		return fmt.Errorf("start the runtime of modules: %w", err)
	}
	e.runtime = runtime
	return nil
}

// checkImports refuses modules that want what the device does not have.
func checkImports(m wazero.CompiledModule) error {
	for _, f := range m.ImportedFunctions() {
		module, name, _ := f.Import()
		at := slices.IndexFunc(Imports, func(i Import) bool { return i.Name == name })
		switch {
		case module != ImportModule || at < 0:
			return fmt.Errorf("it imports %s.%s, which the device does not have", module, name)
		case !slices.Equal(f.ParamTypes(), Imports[at].params()) || !slices.Equal(f.ResultTypes(), []api.ValueType{api.ValueTypeI64}):
			return fmt.Errorf("it imports %s.%s with other parameters", module, name)
		}
	}
	return nil
}
