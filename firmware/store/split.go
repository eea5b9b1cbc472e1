package store

// Split returns the changes whose keys match, and the others, each in their
// order; a removal by prefix matches by its prefix. It is for those who stand
// between a store and its user to look at changes, or to disturb them.
func (b *Batch) Split(match func(key string) bool) (matching, others *Batch) {
	matching, others = &Batch{reserve: b.reserve, err: b.err}, &Batch{reserve: b.reserve, err: b.err}
	for _, r := range b.records {
		to := others
		if match(r.key) {
			to = matching
		}
		var value []byte
		if r.entry != nil {
			value = r.entry.value
		}
		to.add(r.op, r.key, value)
	}
	return matching, others
}
