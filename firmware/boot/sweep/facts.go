package sweep

import "usbhsm7/fuf"

// facts are what a host knows when the power goes: what it was told, and what it
// has asked for without having an answer.
type facts struct {
	upload    int    // which firmware is being sent; 0 = none
	acked     uint64 // which of its chunks were acknowledged
	staged    bool   // it was acknowledged to be complete
	leaving   bool   // it was asked to give the upload up
	trying    bool   // it was asked to activate it
	tried     bool   // that was acknowledged
	expired   bool   // all trials are over
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
	running   int
	confirmed bool
	state     string
	last      string
	security  uint32
	floor     uint32
	rollback  int    // -1 = there is none
	spoilt    string // why the device cannot go back, though it says it can; "" = it can
	incoming  int    // 0 = nothing
	have      uint64
	keys      bool // the canary is there
}

// bits returns a set of chunks.
func bits(have []bool) (set uint64) {
	for i, h := range have {
		if h {
			set |= 1 << i
		}
	}
	return set
}

// numberOf returns which firmware an update is.
func numberOf(u *fuf.Update) int {
	if u == nil {
		return 0
	}
	return number(u.Manifest().Release.Version)
}
