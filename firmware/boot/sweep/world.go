package sweep

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// The chip: the bootloader's region, and one block that stands for the state of the
// HSM.
const (
	regionBlocks = 2 + boot.Slots*slotBlocks
	stateBlock   = regionBlocks
)

var geometry = flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: regionBlocks + 1}

// canary stands for keys in the state of the HSM.
var canary = []byte("this is a key that must not outlive a rollback....")

// slotBlocks is room for marks, a head and the images of the rehearsal.
const slotBlocks = 1 + 3 + 9

// imageSize is how large they are, bytes: two chunks and a piece.
const imageSize = 34 << 10

// The firmware of a rehearsal, by number. Number 0 is in read-only memory.
var firmware = []struct {
	version  fuf.Version
	security uint32
	content  uint64 // images of the same content share most chunks
}{
	{fuf.V(7, 9, 2), 1, 0},
	{fuf.V(7, 9, 3), 2, 1},
	{fuf.V(7, 9, 4), 3, 2},
	{fuf.V(7, 9, 5), 4, 3},
	{fuf.V(7, 9, 6), 5, 2},
}

// edition is firmware of a rehearsal.
type edition struct {
	version  fuf.Version
	security uint32
	image    fuf.Digest       // of the encoded image
	update   *boottest.Update // nil: nobody installs it
}

// world is what a rehearsal is played with. Nobody changes it.
type world struct {
	chip       *flash.Memory // as every scenario finds it
	installed  int           // so many of the editions before the one that runs are on it
	region     part          // the bootloader's
	state      []int         // blocks that stand for the state of the HSM
	keys       func(flash.Device) bool
	config     boot.Config // of the bootloader
	code       fuf.Authcode
	facts      boot.Facts
	editions   []edition // by number
	security   uint32    // confirmed on the chip
	refusals   []refusal
	operations int // that a play may take
	scenarios  []scenario
}

// part is some blocks of a chip.
type part struct{ first, blocks int }

// builtIn returns the world of a small chip and of the firmware above.
func builtIn() (*world, error) {
	chip, err := flash.NewMemory(geometry)
	if err != nil {
		return nil, err
	}
	w := &world{
		chip: chip, region: part{0, regionBlocks}, state: []int{stateBlock}, keys: readsCanary,
		config: boottest.Config(), code: boottest.Code, facts: boot.Facts{FreePercent: 100}, operations: maxOperations, scenarios: scenarios(),
	}
	w.config.Verifier = newMemory(w.config.Verifier, w.code)
	if err := chip.Program(int64(stateBlock*geometry.BlockSize()), canary); err != nil {
		return nil, err
	}
	for i, f := range firmware {
		m := boot.Factory()
		if i > 0 {
			m = boottest.Image(f.version, f.security, imageSize, f.content)
		}
		e, err := editionOf(m)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			if e.update, err = boottest.New(m); err != nil {
				return nil, err
			}
		}
		w.editions = append(w.editions, e)
	}
	return w, w.spoil()
}

// editionOf describes an image.
func editionOf(m *boot.Image) (edition, error) {
	encoded, err := m.Encode()
	return edition{version: m.Version, security: m.SecurityVersion, image: sha256.Sum256(encoded)}, err
}

// spoil makes the files that are to be refused.
func (w *world) spoil() error {
	old, last := w.editions[1].update, w.editions[len(w.editions)-1].update
	r := boottest.Release(old.Image)
	r.Models = []string{"another"}
	foreign, err := boottest.Make(old.Image, r)
	if err != nil {
		return err
	}
	w.refusals = append(w.refused(last.Head),
		refusal{"another model", foreign.Head, w.code, 0}, refusal{"an old security version", old.Head, w.code, 1})
	return nil
}

// number returns which firmware has a version; -1 = none.
func (w *world) number(v fuf.Version) int {
	return slices.IndexFunc(w.editions, func(e edition) bool { return e.version == v })
}

// numberOf returns which firmware an update is; 0 = there is no update.
func (w *world) numberOf(u *fuf.Update) int {
	if u == nil {
		return 0
	}
	return w.number(u.Manifest().Release.Version)
}

// authentic reports whether an image is one that was made for the rehearsal.
func (w *world) authentic(m *boot.Image) error {
	n := w.number(m.Version)
	e, err := editionOf(m)
	if err != nil {
		return err
	}
	if n < 0 || w.editions[n].image != e.image {
		return fmt.Errorf("version %v with a content that nobody made", m.Version)
	}
	return nil
}

// open switches the bootloader of a chip on.
func (w *world) open(chip flash.Device) (*boot.Boot, error) {
	return w.openWith(chip, w.config.Verifier)
}

// openWith is open with another verifier.
func (w *world) openWith(chip flash.Device, v boot.Verifier) (*boot.Boot, error) {
	region, err := flash.NewRegion(chip, w.region.first, w.region.blocks)
	if err != nil {
		return nil, err
	}
	config := w.config
	config.Verifier = v
	return boot.Open(region, config)
}

// eraseState erases the state of the HSM.
func (w *world) eraseState(chip flash.Device) error {
	for _, block := range w.state {
		if err := chip.Erase(block); err != nil {
			return err
		}
	}
	return chip.Sync()
}

// isState reports whether an operation changes what is not the bootloader's.
func (w *world) isState(o flash.Operation) bool {
	block := int(o.Addr / int64(w.chip.Geometry().BlockSize()))
	return o.Kind != flash.SyncDevice && (block < w.region.first || block >= w.region.first+w.region.blocks)
}

// bit chooses a bit of the bootloader's region.
func (w *world) bit(random *rand.Rand) int64 {
	size := 8 * int64(w.chip.Geometry().BlockSize())
	return int64(w.region.first)*size + random.Int64N(int64(w.region.blocks)*size)
}

func readsCanary(chip flash.Device) bool {
	b := make([]byte, len(canary))
	err := chip.Read(int64(stateBlock*geometry.BlockSize()), b)
	return err == nil && string(b) == string(canary)
}
