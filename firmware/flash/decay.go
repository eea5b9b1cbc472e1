package flash

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// ErrDecayed reports a page with more wrong bits than its code can correct.
var ErrDecayed = errors.New("more bits of the page have decayed than can be corrected")

// Decay is a chip that loses charge as the years go by, behind a code that
// corrects errors: up to so many wrong bits in each page are put right as they
// are read, and more are reported. Bits stay wrong until their block is erased.
type Decay struct {
	Device
	random  *rand.Rand
	correct int
	wrong   map[int64]map[int]bool // by page: the bits that are wrong
}

// NewDecay returns d behind a code that corrects so many bits of each page. The
// same seed lets the same bits decay.
func NewDecay(d Device, seed uint64, correct int) *Decay {
	return &Decay{
		Device: d, correct: correct, wrong: map[int64]map[int]bool{},
		random: rand.New(rand.NewPCG(seed, 1)),
	}
}

// Age lets so many bits decay, anywhere on the chip.
func (d *Decay) Age(bits int) {
	g := d.Geometry()
	for range bits {
		d.AgePage(d.random.Int64N(g.Size()/int64(g.PageSize)), 1)
	}
}

// AgePage lets so many different bits of a page decay, counted from 0.
func (d *Decay) AgePage(page int64, bits int) {
	if d.wrong[page] == nil {
		d.wrong[page] = map[int]bool{}
	}
	size := 8 * d.Geometry().PageSize
	for target := min(len(d.wrong[page])+bits, size); len(d.wrong[page]) < target; {
		d.wrong[page][d.random.IntN(size)] = true
	}
}

// Read fills p with the bytes from addr on. It returns ErrDecayed, and p as the
// chip has it, if a page cannot be corrected.
func (d *Decay) Read(addr int64, p []byte) error {
	if err := d.Device.Read(addr, p); err != nil {
		return err
	}
	var lost error
	size := int64(d.Geometry().PageSize)
	for page := addr / size; page*size < addr+int64(len(p)); page++ {
		if len(d.wrong[page]) <= d.correct {
			continue
		}
		for bit := range d.wrong[page] {
			if at := page*size + int64(bit/8) - addr; at >= 0 && at < int64(len(p)) {
				p[at] ^= 1 << (bit % 8)
			}
		}
		lost = fmt.Errorf("flash: page at %#x: %w", page*size, ErrDecayed)
	}
	return lost
}

// Erase sets every bit of a block, and puts right what was wrong there.
func (d *Decay) Erase(block int) error {
	if err := d.Device.Erase(block); err != nil {
		return err
	}
	pages := d.Geometry().PagesPerBlock
	for i := range pages {
		delete(d.wrong, int64(block*pages+i))
	}
	return nil
}
