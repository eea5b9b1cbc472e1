package mutants

import (
	"bytes"
	"errors"
	"fmt"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
	"usbhsm7/fuf/fuftest"
)

// bench is a bootloader that is idle, one that has begun for each genuine file, and
// the host that offers files to them.
type bench struct {
	code    fuf.Authcode
	facts   boot.Facts
	checker *fuftest.Checker
	idle    *boot.Boot
	genuine []upload
	unread  *fuf.Digest // of an update whose proof nobody reads; nil = it has none, or it is read
	trust   fuf.Trust
	writes  int // operations on the flash of any, since they were counted last
}

// upload is a genuine file, and the bootloader that has begun with it.
type upload struct {
	file  []byte
	head  int // bytes
	begun *boot.Boot
}

func newBench(o Options) (b *bench, err error) {
	s := o.Subject
	b = &bench{code: s.Code, facts: s.Facts, checker: fuftest.NewChecker(o.Trust), trust: o.Trust}
	if b.idle, err = b.open(o); err != nil {
		return nil, err
	}
	for _, file := range [][]byte{s.File, o.Other} {
		if file == nil {
			continue
		}
		u := upload{file: file}
		if u.head, err = fuf.HeadSize(file); err != nil {
			return nil, err
		}
		if u.begun, err = b.open(o); err != nil {
			return nil, err
		}
		if err := u.begun.Begin(file[:u.head], s.Code, s.Facts); err != nil {
			return nil, fmt.Errorf("begin with the genuine file: %w", err)
		}
		b.genuine = append(b.genuine, u)
	}
	b.writes = 0
	return b, b.lookForProof(s.File)
}

// open switches on a bootloader whose writes are counted.
func (b *bench) open(o Options) (*boot.Boot, error) {
	chip := flash.NewTap(o.Subject.Chip.Clone(), func(flash.Operation) error {
		b.writes++
		return nil
	})
	_, region, err := boot.Divide(chip)
	if err != nil {
		return nil, err
	}
	config := o.Subject.Config
	if o.Defect != nil {
		config.Verifier = o.Defect.plant(config.Verifier, chip, o.Subject.File)
	}
	return boot.Open(region, config)
}

// lookForProof notes whether the file has a proof that nobody reads, so that its
// bytes may be whatever they like.
func (b *bench) lookForProof(file []byte) error {
	draft, err := fuf.ParseDraft(file)
	if err != nil || len(draft.Proof) == 0 || b.trust.Log != nil {
		return err
	}
	u, err := fuf.OpenBytes(file, b.trust)
	if err == nil {
		id := u.ID()
		b.unread = &id
	}
	return err
}

func (b *bench) close() {
	b.idle.Close()
	for _, u := range b.genuine {
		u.begun.Close()
	}
}

// try offers the mutants of a job. The error tells of a bootloader that cannot be
// used any more.
func (b *bench) try(j *job) error {
	j.tally.reasons = map[fuf.Reason]int{}
	for name, mutant := range j.mutants {
		j.tally.tried++
		taken, why := b.offer(mutant)
		if taken != "" {
			j.tally.accepted++
			j.tally.fail(name, taken)
		}
		if b.writes > 0 {
			j.tally.fail(name, fmt.Sprintf("the flash was written, %d times, before anything was authentic", b.writes))
		}
		j.tally.writes += b.writes
		j.tally.reasons[why]++
		b.writes = 0
		if taken != "" {
			return nil // the bootloaders are not as they were
		}
	}
	return nil
}

func (t *tally) fail(name, detail string) {
	if len(t.failures) < maxFailures {
		t.failures = append(t.failures, Failure{Mutant: name, Detail: detail})
	}
}

// offer gives a file to the device and to the host's check, and returns who took it,
// empty if nobody did, and why it was refused.
func (b *bench) offer(mutant []byte) (taken string, why fuf.Reason) {
	for _, u := range b.genuine {
		if bytes.HasPrefix(mutant, u.file[:u.head]) {
			err := b.checker.Verify(mutant)
			if err == nil {
				return "the check of the whole file passed it", ""
			}
			errors.As(err, &why)
			return u.send(mutant[u.head:]), why
		}
	}
	head := b.headOf(mutant)
	if b.unread != nil {
		if u, err := fuf.Open(head, b.trust); err == nil && u.ID() == *b.unread {
			return "", fuf.ErrProof
		}
	}
	err := b.idle.Begin(head, b.code, b.facts)
	if err == nil {
		return "the bootloader began with it", ""
	}
	errors.As(err, &why)
	return "", why
}

// headOf returns what a host takes for the head of a file, or would if it knew how
// long that is.
func (b *bench) headOf(file []byte) []byte {
	size, err := fuf.HeadSize(file)
	if err != nil {
		size = b.genuine[0].head
	}
	return file[:min(len(file), size)]
}

// send sends the chunks that are not the genuine ones.
func (u *upload) send(chunks []byte) (taken string) {
	const size = fuf.ChunkSize + fuf.Overhead
	genuine := u.file[u.head:]
	for i := 0; i*size < len(chunks); i++ {
		chunk := piece(chunks, i*size, size)
		if bytes.Equal(chunk, piece(genuine, i*size, size)) {
			continue
		}
		if u.begun.Chunks(i, chunk) == nil {
			return fmt.Sprintf("the bootloader took chunk %d of it", i)
		}
	}
	return ""
}

// piece returns what there is of so many bytes from a place on.
func piece(b []byte, at, size int) []byte {
	if at >= len(b) {
		return nil
	}
	return b[at:min(len(b), at+size)]
}
