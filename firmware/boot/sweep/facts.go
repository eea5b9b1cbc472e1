package sweep

// facts are what a host knows when the power goes: what it was told, and what it
// has asked for without having an answer.
type facts struct {
	upload    int    // which firmware is being sent; 0 = none
	acked     chunks // which of its chunks were acknowledged
	staged    bool   // it was acknowledged to be complete
	leaving   bool   // it was asked to give the upload up
	trying    bool   // it was asked to activate it
	tried     bool   // that was acknowledged
	confirms  bool   // it was asked to confirm
	confirmed bool   // that was acknowledged
	returns   bool   // it was asked to roll back
	returning bool   // that was acknowledged
	returned  bool   // the end of that was acknowledged
	security  uint32 // the highest security version that was seen
	floor     uint32 // the highest floor that was acknowledged
}

// observation is what a power-on shows.
type observation struct {
	broken    string // why the device does not start; "" = it does
	strange   string // what is wrong with the image that runs; "" = nothing
	running   int    // or is lost, where nothing runs but what takes an update
	confirmed bool
	state     string
	last      string
	security  uint32
	floor     uint32
	rollback  int    // -1 = there is none
	spoilt    string // why the device cannot go back, though it says it can; "" = it can
	incoming  int    // 0 = nothing
	have      chunks
	keys      bool // the canary is there
}

// maxChunks is how many chunks an update may have that is rehearsed: three times 1 MiB.
const maxChunks = 192

// chunks is a set of chunks.
type chunks [maxChunks / 64]uint64

func (c *chunks) add(i int) { c[i/64] |= 1 << (i % 64) }

func (c chunks) isEmpty() bool { return c == chunks{} }

// within reports whether another set has all of these.
func (c chunks) within(other chunks) bool {
	for i := range c {
		if c[i]&^other[i] != 0 {
			return false
		}
	}
	return true
}

// setOf returns a set of chunks.
func setOf(have []bool) (set chunks) {
	for i, h := range have {
		if h {
			set.add(i)
		}
	}
	return set
}
