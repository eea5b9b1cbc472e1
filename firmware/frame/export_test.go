package frame

// Unfinished tells a test how many messages a holds and what their totals add
// up to.
func (a *Assembler) Unfinished() (messages, total int) { return len(a.open), a.unfinished }

// Held tells a test how many bytes a has allocated for fragments.
func (a *Assembler) Held() (bytes int) {
	for _, p := range a.open {
		bytes += cap(p.data)
	}
	return bytes
}

// Refused tells a test how many refused messages a remembers.
func (a *Assembler) Refused() int { return len(a.refused) }
