package hsm

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/firmware/hsm/vault"
)

// Bounds of functional modules.
const (
	maxModules      = 8
	maxModuleCode   = 1 << 20 // bytes of all of them together
	maxModuleFile   = 2 << 20 // bytes
	maxModuleCalls  = 32      // functions of one that can be called
	maxFunctionName = 32      // bytes
	modulePart      = 8 << 10 // bytes of code in one record
)

// Names of records. The code is plain, sealed under a key that recordModules has: so an
// erasure destroys it with that record, or carries it over without writing it again,
// however large it is. recordHadModules outlives everything.
const (
	recordModules    = "modules"
	recordHadModules = "had-modules"
	modulePrefix     = "module/"
)

func prefixOfModule(id uint32) string { return fmt.Sprintf("%s%08x/", modulePrefix, id) }

func recordModulePart(id uint32, part int) string {
	return fmt.Sprintf("%s%04x", prefixOfModule(id), part)
}

// Module is what is in the file of a functional module.
type Module struct {
	Name    string
	Version string
	Code    []byte
}

// modules is recordModules, and the code.
type modules struct {
	Key  []byte   `cbor:"1,keyasint"` // that seals the code
	Next uint32   `cbor:"2,keyasint"` // ID of the next one
	List []module `cbor:"3,keyasint"` // sorted by name
}

type module struct {
	ID   uint32             `cbor:"1,keyasint"`
	Info command.ModuleInfo `cbor:"2,keyasint"`
	code []byte
}

// loadModules reads the modules that are here.
func (h *HSM) loadModules() error {
	_, had := h.vault.Plain(recordHadModules)
	h.hadThem.Store(had)
	var m modules
	if known, err := read(h.vault, recordModules, &m); err != nil || !known {
		return err
	}
	seal, err := vault.NewSealer(m.Key, h.entropy)
	if err != nil {
		return err
	}
	for i := range m.List {
		if err := h.loadCode(&m.List[i], seal); err != nil {
			return err
		}
	}
	h.modules.Store(&m)
	return nil
}

func (h *HSM) loadCode(m *module, seal *vault.Sealer) error {
	for part := 0; uint(len(m.code)) < m.Info.Size; part++ {
		name := recordModulePart(m.ID, part)
		sealed, _ := h.vault.Plain(name)
		code, err := seal.Open(name, sealed)
		if err != nil {
			return fmt.Errorf("record %s: %w", name, err)
		}
		m.code = append(m.code, code...)
	}
	if digest := sha256.Sum256(m.code); string(digest[:]) != string(m.Info.Digest) {
		return command.StatusArgumentsBad.Withf("the code of module %q is not what it was", m.Info.Name)
	}
	return nil
}

// find returns a module by its name.
func (m *modules) find(name string) (at int, found bool) {
	if m == nil {
		return 0, false
	}
	return slices.BinarySearchFunc(m.List, name, func(m module, name string) int { return cmp.Compare(m.Info.Name, name) })
}

// mayUseModules refuses what has to do with modules where they are not permitted.
func (c *call) mayUseModules() error {
	switch {
	case c.hsm.runs == nil || c.hsm.boot == nil:
		return command.StatusOperationRestricted.With("this device runs no functional modules", "")
	case !c.hsm.state.Load().policies.hsm.On(policy.FunctionalModules):
		return command.StatusOperationRestricted.With("HSM policy 50 does not permit functional modules",
			"the HSM SO turns it on, if a capability update permits that; it destroys the partition and rules out rollbacks of the firmware for ever")
	}
	return nil
}

// moduleLoad takes a module, which takes the place of one with the same name.
func (c *call) moduleLoad(r *command.ModuleLoadRequest) (*command.ModuleInfo, error) {
	defer clear(r.Authcode)
	if err := c.mayUseModules(); err != nil {
		return nil, err
	}
	if len(r.File) > maxModuleFile {
		return nil, command.StatusArgumentsBad.Withf("the file of a functional module has at most %d bytes", maxModuleFile)
	}
	m, err := c.hsm.boot.Module(r.File, r.Authcode, c.hsm.updateFacts(r.Client))
	if err != nil {
		return nil, err
	}
	functions, err := c.hsm.runs.Check(m.Code)
	if err != nil {
		return nil, err
	}
	if err := checkFunctions(functions); err != nil {
		return nil, err
	}
	if err := c.confirm(Question{Title: "Load a functional module?", Text: fmt.Sprintf("%s, version %s. It uses keys on behalf of those who call it.", m.Name, m.Version)}); err != nil {
		return nil, err
	}
	next := describeModule(m, functions)
	return &next.Info, c.storeModule(next)
}

func describeModule(m *Module, functions []string) module {
	digest := sha256.Sum256(m.Code)
	return module{
		Info: command.ModuleInfo{Name: m.Name, Version: m.Version, Size: uint(len(m.Code)), Digest: digest[:], Functions: functions},
		code: m.Code,
	}
}

// builtIn returns the modules that come with the firmware. Firmware with one that does
// not run does not run either.
func (f *Firmware) builtIn(runs Modules) (list []module, err error) {
	for i := range f.Modules {
		m := &f.Modules[i]
		if runs == nil {
			return nil, fmt.Errorf("firmware %s: no functional modules run here", f.Version)
		}
		functions, err := runs.Check(m.Code)
		if err == nil {
			err = checkFunctions(functions)
		}
		if err != nil {
			return nil, fmt.Errorf("firmware %s: module %q: %w", f.Version, m.Name, err)
		}
		next := describeModule(m, functions)
		next.Info.BuiltIn = true
		list = append(list, next)
	}
	return list, nil
}

// allModules returns the modules by their names. One that was loaded counts for one
// of the same name that comes with the firmware.
func (h *HSM) allModules() []module {
	now := h.modules.Load()
	var list []module
	if now != nil {
		list = slices.Clone(now.List)
	}
	for _, m := range h.builtIn {
		if _, found := now.find(m.Info.Name); !found {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b module) int { return cmp.Compare(a.Info.Name, b.Info.Name) })
	return list
}

func checkFunctions(names []string) error {
	if n := len(names); n == 0 || n > maxModuleCalls {
		return command.StatusInvalidFUFHeader.Withf("the module has %d functions that can be called, not 1 to %d", n, maxModuleCalls)
	}
	if slices.ContainsFunc(names, func(s string) bool { return len(s) > maxFunctionName }) {
		return command.StatusInvalidFUFHeader.Withf("the module has a function whose name has more than %d bytes", maxFunctionName)
	}
	return nil
}

// storeModule writes the code in parts, of which nobody knows until the last change
// lists the module.
func (c *call) storeModule(m module) error {
	c.hsm.password.Lock() // one life-cycle command at a time
	defer c.hsm.password.Unlock()
	list, err := c.hsm.modulesWith(&m)
	if err != nil {
		return err
	}
	seal, err := vault.NewSealer(list.Key, c.hsm.entropy)
	if err != nil {
		return err
	}
	part := 0
	for code := range slices.Chunk(m.code, modulePart) {
		name := recordModulePart(m.ID, part)
		sealed, err := seal.Seal(name, code)
		if err != nil {
			return err
		}
		if err := c.guarded(func(u *update) error { u.records.PutPlain(name, sealed); return nil }); err != nil {
			return err
		}
		part++
	}
	return c.changeModules(list, fmt.Sprintf("functional module %s %s is there", m.Info.Name, m.Info.Version))
}

// modulesWith returns the modules with one more, to which it gives its ID.
func (h *HSM) modulesWith(m *module) (*modules, error) {
	var next modules
	if now := h.modules.Load(); now != nil {
		next = modules{slices.Clone(now.Key), now.Next, slices.Clone(now.List)}
	} else {
		key, err := mech.Random(vault.KeySize, h.entropy)
		if err != nil {
			return nil, err
		}
		next.Key = key
	}
	m.ID = next.Next
	next.Next++
	at, found := next.find(m.Info.Name)
	if found {
		next.List[at] = *m
	} else {
		next.List = slices.Insert(next.List, at, *m)
	}
	var bytes int
	for _, m := range next.List {
		bytes += len(m.code)
	}
	if len(next.List) > maxModules || bytes > maxModuleCode {
		return nil, command.StatusHSMStorageFull.With(fmt.Sprintf("an HSM takes %d functional modules with %d bytes of code in all", maxModules, maxModuleCode), "delete others first")
	}
	return &next, nil
}

// changeModules makes next the modules that are here, and deletes the code of the
// others.
func (c *call) changeModules(next *modules, text string) error {
	return c.update(func(u *update) error {
		if now := u.hsm.modules.Load(); now != nil {
			for _, m := range now.List {
				if !slices.ContainsFunc(next.List, func(n module) bool { return n.ID == m.ID }) {
					u.records.DeletePlainPrefix(prefixOfModule(m.ID))
				}
			}
		}
		u.event(stateChanged(text))
		u.after(func() { u.hsm.modules.Store(next) })
		return u.put(recordModules, next)
	})
}

// moduleDelete deletes a module, whether modules are permitted or not.
func (c *call) moduleDelete(r *command.ModuleDeleteRequest) error {
	c.hsm.password.Lock()
	defer c.hsm.password.Unlock()
	now := c.hsm.modules.Load()
	at, found := now.find(r.Name)
	if !found {
		return c.hsm.noModule(r.Name)
	}
	next := &modules{slices.Clone(now.Key), now.Next, slices.Delete(slices.Clone(now.List), at, at+1)}
	return c.changeModules(next, fmt.Sprintf("functional module %s is deleted", r.Name))
}

func (h *HSM) noModule(name string) error {
	if slices.ContainsFunc(h.builtIn, func(m module) bool { return m.Info.Name == name }) {
		return command.StatusOperationRestricted.Withf("functional module %q comes with the firmware", name)
	}
	return command.StatusFMIDInvalid.With(fmt.Sprintf("there is no functional module %q", name), "fm-list lists those that are here")
}

// moduleList lists the modules to anyone.
func (c *call) moduleList() (*command.ModuleListResponse, error) {
	answer := &command.ModuleListResponse{Modules: []command.ModuleInfo{}}
	for _, m := range c.hsm.allModules() {
		answer.Modules = append(answer.Modules, m.Info)
	}
	return answer, nil
}

// noteModules notes, for ever, that functional modules were permitted.
func (u *update) noteModules() {
	u.records.PutPlain(recordHadModules, []byte{1})
	u.after(func() { u.hsm.hadThem.Store(true) })
}

// eraseModules deletes the modules with a change that destroys records, or keeps
// them.
func (u *update) eraseModules(e *Erasure) error {
	if e.Keeps.Has(ContentModules) && u.hsm.modules.Load() != nil {
		return u.keep(recordModules)
	}
	u.records.DeletePlainPrefix(modulePrefix)
	u.after(func() { u.hsm.modules.Store(nil) })
	return nil
}
