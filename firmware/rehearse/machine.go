package rehearse

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

// serial is that of the device that is rehearsed.
const serial = "7000001"

// now is what its clock shows, always.
var now = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// geometry is that of its chip: small, since every power-on reads half of it.
var geometry = flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 192}

// machine is a unit that is switched on, with a host that talks to it.
type machine interface {
	execute(code command.Code, session uint32, payload []byte) (command.Status, []byte, error)
	tamper(command.TamperCause) error
	crew() *peopletest.People // in front of it
	off() error
}

// Rig is how much of the device is rehearsed.
type Rig struct {
	Name  string
	start func(chip flash.Device, seed uint64) (machine, error)
}

// Core is the HSM on its flash, without the frames around it.
func Core() Rig { return coreWith(Defect{Name: "core"}) }

// Assembled is the whole device, from the frames on its endpoints to its flash.
func Assembled() Rig { return Rig{"device", startDevice} }

func coreWith(d Defect) Rig {
	return Rig{d.Name, func(chip flash.Device, seed uint64) (machine, error) { return startCore(chip, seed, d) }}
}

func startCore(chip flash.Device, seed uint64, d Defect) (m machine, err error) {
	if d.chip != nil {
		if chip, err = d.chip(chip); err != nil {
			return nil, err
		}
	}
	state, images, err := boot.Divide(chip)
	if err != nil {
		return nil, err
	}
	records, err := store.Open(state)
	if err != nil {
		return nil, err
	}
	var storage vault.Storage = records
	if d.storage != nil {
		storage = d.storage(storage)
	}
	people := new(peopletest.People)
	core, err := device.StartCore(images, boottest.Verifier(), hsm.Config{
		Store: storage, Serial: serial, Cost: auth.Quick, Entropy: newEntropy(seed), Path: people,
		Clock: func() time.Time { return now },
	})
	if err != nil {
		return nil, err
	}
	return &coreMachine{core: core, host: core.HSM.Connect(), people: people}, nil
}

// coreMachine calls the core directly.
type coreMachine struct {
	core   *device.Core
	host   *hsm.Host
	people *peopletest.People
}

func (m *coreMachine) crew() *peopletest.People { return m.people }

func (m *coreMachine) execute(code command.Code, session uint32, payload []byte) (command.Status, []byte, error) {
	status, answer := m.host.Execute(context.Background(), code, session, payload)
	return status, answer, nil
}

func (m *coreMachine) tamper(cause command.TamperCause) error { return m.core.HSM.Tamper(cause) }

func (m *coreMachine) off() error {
	m.core.Close()
	return nil
}

func startDevice(chip flash.Device, seed uint64) (machine, error) {
	people := new(peopletest.People)
	d, err := device.New(device.Config{
		Flash: chip, Serial: serial, Cost: auth.Quick, Seed: fmt.Append(nil, seed), Path: people,
		Clock: func() time.Time { return now },
	})
	if err != nil {
		return nil, err
	}
	m := &deviceMachine{device: d, port: d.USB(), people: people}
	if err := m.open(); err != nil {
		return nil, err
	}
	return m, nil
}

// entropy is random numbers that follow from a seed.
type entropy struct {
	mu     sync.Mutex
	source io.Reader
}

func newEntropy(seed uint64) *entropy {
	var key [32]byte
	random := rand.New(rand.NewPCG(seed, 7))
	for i := range key {
		key[i] = byte(random.Uint32())
	}
	return &entropy{source: rand.NewChaCha8(key)}
}

func (e *entropy) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.source.Read(p)
}
