package dialogue

import "sync"

// Coverage counts how often each move of each dialogue was made.
type Coverage struct {
	mu   sync.Mutex
	made map[string]bool
}

// Watch counts the moves of a desk that does not run yet.
func (c *Coverage) Watch(d *Desk) {
	d.visit = func(t *table, at state, on event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.made == nil {
			c.made = map[string]bool{}
		}
		from := at
		if !t.names(at, on) {
			from = anywhere
		}
		c.made[moveName(t, from, on)] = true
	}
}

// Missing lists the moves that were never made.
func (c *Coverage) Missing() (missing []string) {
	for _, d := range dialogues {
		for _, m := range d.moves {
			if name := moveName(d, m.from, m.on); !c.made[name] {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// names reports whether the table has a move from just this state.
func (d *table) names(s state, on event) bool {
	for _, m := range d.moves {
		if m.from == s && m.on == on {
			return true
		}
	}
	return false
}

func moveName(d *table, from state, on event) string {
	return d.name + ": " + string(from) + ", " + string(on)
}
