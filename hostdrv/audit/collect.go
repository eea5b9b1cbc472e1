package audit

import (
	"context"
	"time"

	"usbhsm7/firmware/command"
)

// Source is what Collect needs of a session with the admin slot: a
// *hostdrv.Session.
type Source interface {
	AuditConfig(context.Context) (command.AuditConfig, error)
	AuditStatus(context.Context) (command.AuditStatusResponse, error)
	AuditRead(ctx context.Context, after uint64) (command.AuditReadResponse, error)
	AuditAcknowledge(ctx context.Context, through uint64) error
}

// Options say how to collect.
type Options struct {
	Follow   bool          // go on until ctx ends, instead of until the device has nothing more
	Interval time.Duration // between two looks when there is nothing; 0 means 1 s

	// Forward, if not nil, is given all records that are new, after they are in
	// a file and before they are acknowledged. After an error Collect ends, and
	// takes them again next time.
	Forward func(ctx context.Context, records []command.AuditRecord) error

	// Keep leaves the records in the device.
	Keep bool
}

// Collect takes records from a device and puts them into a log. It returns how
// many were new. With Follow it ends with ctx, and returns no error then. It ends
// with ErrOtherLog, and takes nothing, if the device was reset since.
func Collect(ctx context.Context, from Source, to *Log, o Options) (taken int, err error) {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	for {
		n, err := collect(ctx, from, to, o)
		taken += n
		if err != nil || !o.Follow {
			if o.Follow && ctx.Err() != nil {
				return taken, nil
			}
			return taken, err
		}
		select {
		case <-time.After(o.Interval):
		case <-ctx.Done():
			return taken, nil
		}
	}
}

// collect takes what there is.
func collect(ctx context.Context, from Source, to *Log, o Options) (taken int, err error) {
	config, err := from.AuditConfig(ctx)
	if err != nil {
		return 0, err
	}
	status, err := from.AuditStatus(ctx)
	if err != nil {
		return 0, err
	}
	if err := to.reaches(status.Head); err != nil {
		return 0, err
	}
	for more := true; more; {
		answer, err := from.AuditRead(ctx, to.Last())
		if err != nil {
			return taken, err
		}
		if more = answer.More; len(answer.Records) == 0 {
			return taken, nil
		}
		if err := take(ctx, from, to, answer.Records, config, o); err != nil {
			return taken, err
		}
		taken += len(answer.Records)
	}
	return taken, nil
}

// take brings some records to safety and acknowledges them.
func take(ctx context.Context, from Source, to *Log, records []command.AuditRecord, config command.AuditConfig, o Options) error {
	if err := to.Append(records, config); err != nil {
		return err
	}
	if o.Forward != nil {
		if err := o.Forward(ctx, records); err != nil {
			return err
		}
	}
	if o.Keep {
		return nil
	}
	return from.AuditAcknowledge(ctx, records[len(records)-1].Number)
}
