package command

// Limits of a payload, for tests.
const (
	MaxElements = maxElements
	MaxNesting  = maxNesting
)
