package audit

import "usbhsm7/firmware/command"

// Chain makes the records of one log. It is not safe for concurrent use.
type Chain struct {
	secret []byte
	head   command.AuditHead
}

// NewChain begins the log of the HSM with a serial number.
func NewChain(secret []byte, serial string) *Chain {
	return &Chain{secret: secret, head: command.AuditHead{Code: origin(secret, serial)}}
}

// Resume goes on with a log at its end.
func Resume(secret []byte, head command.AuditHead) *Chain { return &Chain{secret: secret, head: head} }

// Head returns the end of the log.
func (c *Chain) Head() command.AuditHead { return c.head }

// Add makes the next record.
func (c *Chain) Add(e command.AuditEvent) (command.AuditRecord, error) {
	r := command.AuditRecord{Number: c.head.Number + 1, Event: e, Before: c.head.Code[:LinkSize]}
	code, err := codeOf(&r, c.secret)
	if err != nil {
		return command.AuditRecord{}, err
	}
	r.Code = code
	c.head = command.AuditHead{Number: r.Number, Code: code}
	return r, nil
}
