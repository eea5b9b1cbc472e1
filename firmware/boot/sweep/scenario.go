package sweep

// scenario is something that people do with firmware.
type scenario struct {
	name     string
	before   []int // firmware that was installed and confirmed before, in order
	do       step
	to       int  // the firmware that runs at the end
	rollback int  // the firmware to go back to at the end; -1 = none
	erases   bool // the state of the HSM; in any other it stays as it is
	decays   bool // the firmware that runs, before anything is done
}

// scenarios lists what is played.
func scenarios() []scenario {
	return []scenario{
		{name: "first update", do: update(1), to: 1, rollback: 0},
		{name: "update", before: []int{1}, do: update(2), to: 2, rollback: 1},
		{name: "update that shares content", before: []int{1, 2}, do: update(4), to: 4, rollback: 2},
		{name: "update never confirmed", before: []int{1}, do: fail(2), to: 1, rollback: 0},
		{name: "update given up for another", before: []int{1}, do: change(2, 3), to: 3, rollback: 1},
		{name: "rollback", before: []int{1, 2}, do: goBack, to: 1, rollback: -1, erases: true},
		{name: "repair", before: []int{1, 2}, do: update(2), to: 2, rollback: 1, decays: true},
		{name: "floor", before: []int{1, 2}, do: raise(2), to: 2, rollback: 1},
	}
}

// from returns the firmware that runs at the beginning, and the one to go back to.
func (s *scenario) from() (running, rollback int) {
	all := append([]int{-1, 0}, s.before...)
	return all[len(all)-1], all[len(all)-2]
}
