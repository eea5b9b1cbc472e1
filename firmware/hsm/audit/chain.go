package audit

// Head is the end of a chain: enough to go on with it.
type Head struct {
	Number uint64 `cbor:"1,keyasint"` // of the last record; 0 = none yet
	Code   []byte `cbor:"2,keyasint"` // of the last record, or the origin
}

// Chain makes the records of one log. It is not safe for concurrent use.
type Chain struct {
	secret []byte
	head   Head
}

// NewChain begins the log of the HSM with a serial number.
func NewChain(secret []byte, serial string) *Chain {
	return &Chain{secret: secret, head: Head{Code: origin(secret, serial)}}
}

// Resume goes on with a log at its end.
func Resume(secret []byte, head Head) *Chain { return &Chain{secret: secret, head: head} }

// Head returns the end of the log.
func (c *Chain) Head() Head { return c.head }

// Add makes the next record.
func (c *Chain) Add(e Event) (Record, error) {
	r := Record{Number: c.head.Number + 1, Event: e, Before: c.head.Code[:LinkSize]}
	code, err := r.code(c.secret)
	if err != nil {
		return Record{}, err
	}
	r.Code = code
	c.head = Head{r.Number, code}
	return r, nil
}
