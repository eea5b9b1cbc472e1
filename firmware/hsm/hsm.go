package hsm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/object"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

// Config says what the HSM is made of. Store and Entropy are required.
type Config struct {
	Store    vault.Storage       // a *store.Store; the HSM does not close it
	Clock    func() time.Time    // the device's clock; nil means one that stands still
	SetClock func(time.Time)     // sets it; nil means that it cannot be set
	Entropy  io.Reader           // random bytes; safe for use by several callers at once
	Seeded   bool                // derive all that is random from Entropy alone, so that the same entropy gives the same keys and signatures
	Model    Model               // zero means the first of Models
	Firmware *Firmware           // that runs; nil means what is built in
	Boot     Bootloader          // which can change that; nil means none
	Modules  Modules             // what functional modules run in; nil means that none run
	Serial   string              // of a device that has none yet; later the stored one counts
	Cost     auth.Cost           // of checking a password; 0 means auth.Standard
	Path     TrustedPath         // to the people at the device; nil means that there is none, and no quorum authentication
	Notify   func(command.Event) // called after a change, with no lock held; must not block; may be nil

	// Room returns n bytes for an answer with much data. Nil means that the HSM
	// allocates them.
	Room func(n int) []byte

	// Restarts says that the owner restarts the HSM when hsm-restart has succeeded.
	Restarts bool
	// Transport has a new HSM begin in Secure Transport Mode; see HSM.Shipped.
	Transport bool
}

// HSM is a powered HSM.
type HSM struct {
	model    Model
	firmware Firmware
	boot     Bootloader
	runs     Modules        // nil: no functional modules run
	schema   atomic.Uint32  // data schema of the records
	licences []Licence      // guarded by mu
	settled  firmwareRecord // guarded by password
	serial   string
	entropy  mech.Entropy
	clock    func() time.Time
	setClock func(time.Time)
	cost     auth.Cost
	path     TrustedPath
	notify   func(command.Event)
	room     func(n int) []byte
	restarts bool
	shipped  command.STMStrings

	state    atomic.Pointer[state]
	tokens   atomic.Pointer[object.Set] // stored objects: public ones always, private ones while a role that works with them is logged in
	sessions atomic.Int64               // open now
	stored   atomic.Int64               // token objects
	taken    atomic.Int64               // bytes that they take
	modules  atomic.Pointer[modules]    // functional modules that are here; nil: none
	builtIn  []module                   // those that come with the firmware
	hadThem  atomic.Bool                // functional modules were permitted, if only once
	audit    auditLog
	metrics  metrics
	kept     atomic.Int64 // bytes that operations under way keep

	// password is held by whatever checks or sets a password or changes the
	// life cycle, so that attempts are counted one by one. It is taken before mu.
	password sync.Mutex
	delayed  time.Time // when the Auditor's delay began; guarded by password

	mu          sync.Mutex // the one writer; guards what follows and all stores to the atomics
	vault       *vault.Vault
	hosts       map[*Host]struct{}
	waiting     map[*call]context.CancelCauseFunc // for people
	keyHolders  int                               // logins of roles that work with keys
	lastSession uint32                            // handle
	lastToken   command.Handle                    // handle of a token object; durable
	lastObject  command.Handle                    // handle of a session object
	objects     int                               // session objects of all hosts
	storage     storage
	uses        map[command.Handle]*object.Uses // of token objects with a usage-limit
	storageLow  bool
	closed      bool
}

// Open reads the state from the store and finishes what a power cut
// interrupted. It fails with store.ErrCorrupt if a record cannot be read.
func Open(c Config) (*HSM, error) {
	if c.Store == nil || c.Entropy == nil {
		return nil, errors.New("an HSM needs a store and entropy")
	}
	if c.Model == (Model{}) {
		c.Model = Models()[0]
	}
	if c.Firmware == nil {
		c.Firmware = BuiltIn(c.Model)
	}
	if err := c.Firmware.checkTables(); err != nil {
		return nil, err
	}
	builtIn, err := c.Firmware.builtIn(c.Modules)
	if err != nil {
		return nil, err
	}
	if c.Firmware.Storage > 0 {
		c.Model.Storage = c.Firmware.Storage
	}
	if c.Cost == 0 {
		c.Cost = auth.Standard
	}
	if c.Clock == nil {
		c.Clock = func() time.Time { return time.Time{} }
	}
	h := &HSM{
		model: c.Model, firmware: *c.Firmware, builtIn: builtIn, boot: c.Boot, runs: c.Modules, serial: c.Serial, notify: c.Notify, entropy: mech.Entropy{Reader: trueEntropy{c.Entropy}, Seeded: c.Seeded}, clock: c.Clock, setClock: c.SetClock, cost: c.Cost, path: c.Path,
		restarts: c.Restarts, room: c.Room, delayed: c.Clock(),
		hosts: make(map[*Host]struct{}), waiting: make(map[*call]context.CancelCauseFunc), uses: make(map[command.Handle]*object.Uses),
		storage: storage{sizes: make(map[command.Handle]int64)}, lastObject: firstSessionObject - 1,
	}
	if err := h.load(c.Store, c.Transport); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *HSM) load(s vault.Storage, ships bool) error {
	v, interrupted, err := vault.Open(s, h.entropy)
	if err != nil {
		return corrupt(err)
	}
	h.vault = v
	if err := h.loadSerial(); err != nil {
		return err
	}
	if err := h.loadState(interrupted, ships); err != nil {
		return corrupt(err)
	}
	if err := v.Bury(); err != nil {
		return err
	}
	if err := h.loadFirmware(); err != nil {
		return corrupt(err)
	}
	if err := h.loadLicences(); err != nil {
		return corrupt(err)
	}
	if err := h.loadModules(); err != nil {
		return corrupt(err)
	}
	if err := h.loadPublic(); err != nil {
		return corrupt(err)
	}
	if err := h.loadAudit(); err != nil {
		return corrupt(err)
	}
	if err := h.loadActivation(); err != nil {
		return corrupt(err)
	}
	if err := h.finishRollback(); err != nil {
		return err
	}
	return h.finishPunishment()
}

// loadAudit goes on with the audit log.
func (h *HSM) loadAudit() error {
	var config auditConfigRecord
	if _, err := read(h.vault, recordAuditConfig, &config); err != nil {
		return err
	}
	h.audit.mask.Store(uint32(config.Mask))
	return h.audit.load(h.vault, h.serial)
}

// corrupt marks records that are whole but make no sense.
func corrupt(err error) error {
	if errors.Is(err, vault.ErrSealed) || errors.Is(err, command.StatusArgumentsBad) {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return err
}

// loadSerial keeps the serial number of the first power-on for good.
func (h *HSM) loadSerial() error {
	if stored, ok := h.vault.Plain(recordSerial); ok {
		h.serial = string(stored)
		return nil
	}
	return h.vault.PutPlain(recordSerial, []byte(h.serial))
}

// Identity returns model, serial number and firmware version.
func (h *HSM) Identity() (model, serial, firmware string) {
	return h.model.Name, h.serial, h.firmware.Version
}

// Connect returns a host without sessions. Each link has its own.
func (h *HSM) Connect() *Host {
	host := &Host{hsm: h}
	host.objects.Store(new(object.Set))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		host.gone.Store(true)
		return host
	}
	h.hosts[host] = struct{}{}
	return host
}

// Close ends all sessions, writes what the audit log still has to say and
// forgets all keys. The store stays open.
func (h *HSM) Close() {
	_ = h.Sync()     // a log that cannot be written ends with its last record
	_ = h.rest()     // the time since the last Sync counts as time without power
	_ = h.keepUses() // what cannot be written counts as used
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for host := range h.hosts {
		host.leave()
	}
	h.tokens.Store(new(object.Set))
}

// trueEntropy turns a failure of the entropy source into its status.
type trueEntropy struct{ source io.Reader }

func (e trueEntropy) Read(p []byte) (int, error) {
	n, err := e.source.Read(p)
	if err != nil {
		err = command.StatusRNGError.With("the random number generator failed", "restart the device")
	}
	return n, err
}
