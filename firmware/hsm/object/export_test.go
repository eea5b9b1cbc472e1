package object

// Depth returns the length of the longest path in the index by handle.
func (s Set) Depth() int { return s.byHandle.depth() }

func (t *tree) depth() int {
	if t == nil {
		return 0
	}
	return 1 + max(t.left.depth(), t.right.depth())
}
