package boot

import (
	"cmp"
	"fmt"

	"usbhsm7/fuf"
)

// upload is what comes from a host, in part or whole.
type upload struct {
	update *fuf.Update
	have   []bool
	key    *fuf.Key // nil until a host has given the authentication code, since power-on
}

func (u *upload) missing() (n int) {
	for _, have := range u.have {
		if !have {
			n++
		}
	}
	return n
}

func (b *Boot) forgetUpload() {
	if b.upload != nil && b.upload.key != nil {
		b.upload.key.Wipe()
	}
	b.upload = nil
}

// Begin begins an upload by the head of the file, or goes on with it if the file is
// the same. Everything that can be checked is, before anything is erased: the head,
// whether the firmware may be installed here, the authentication code. Chunks whose
// content the device has in one of its images need not be sent: when Begin returns,
// they are here. Another upload that was under way is given up. The error carries a
// Reason or a fuf.Reason if the file is refused; nothing has changed then.
func (b *Boot) Begin(head []byte, code fuf.Authcode, facts Facts) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records.current
	if _, err := r.State.next(EventBegin); err != nil {
		return err
	}
	u, err := b.verifier.Open(head)
	if err != nil {
		return err
	}
	if err := b.admit(u, facts); err != nil {
		return err
	}
	key, err := b.verifier.Unlock(u, code)
	if err != nil {
		return err
	}
	same := b.upload != nil && b.upload.update.ID() == u.ID()
	if same && r.State == Staged {
		key.Wipe()
		return nil
	}
	if !same {
		if err := b.receive(u, head); err != nil {
			key.Wipe()
			return err
		}
	}
	if b.upload.key != nil {
		b.upload.key.Wipe()
	}
	b.upload.key = key
	return b.reuse()
}

// admit checks whether an update may be installed.
func (b *Boot) admit(u *fuf.Update, facts Facts) error {
	release := u.Manifest().Release
	if err := b.roomFor(u); err != nil {
		return err
	}
	if err := b.runsAlready(u); err != nil {
		return err
	}
	return Admit(&release, b.target(facts))
}

// runsAlready reports an update that runs already. To install it again, because nobody saw
// the first time end, would cost the firmware that there is to go back to. Firmware that
// has decayed does not run.
func (b *Boot) runsAlready(u *fuf.Update) error {
	r := b.records.current
	if !b.recovers && r.holds(r.Running) && r.Slots[r.Running].ID == u.ID() {
		return fmt.Errorf("%w: this update runs already", ErrPath)
	}
	return nil
}

// Ready reports why what is staged must not be activated: since it was begun, time has
// passed, and policies may be others. What it demands of the client, the one that sent it
// had. The error carries a Reason.
func (b *Boot) Ready(facts Facts) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.records.current.State.next(EventActivate); err != nil {
		return err
	}
	release := b.upload.update.Manifest().Release
	facts.Client = release.MinClient
	return Admit(&release, b.target(facts))
}

// roomFor reports an update that is larger than a slot.
func (b *Boot) roomFor(u *fuf.Update) error {
	size := u.Manifest().Release.Size
	if !b.layout.fits(u.HeadSize(), int(size)) || u.Chunks()*markSize > b.layout.marks*b.layout.block {
		return fmt.Errorf("%w: %d bytes", ErrRoom, size)
	}
	return nil
}

// target is this device.
func (b *Boot) target(facts Facts) Target {
	r := b.records.current
	return Target{
		Facts: facts, Product: b.product, Model: b.model, Bootloader: Version(),
		Running: cmp.Or(b.lost(), b.running.Version), Lost: b.recovers, DataSchema: b.running.DataSchema, Security: max(r.Security, r.Floor),
	}
}

// receive empties a slot for an update.
func (b *Boot) receive(u *fuf.Update, head []byte) error {
	if b.upload != nil {
		// The record must not speak of what is erased.
		if err := b.change(EventAbort, nil); err != nil {
			return err
		}
	}
	to := b.records.current.free()
	if err := b.writeHead(to, head); err != nil {
		return err
	}
	err := b.change(EventBegin, func(r *Record) {
		r.Incoming, r.Slots[to] = to, Slot{uint32(len(head)), u.ID()}
	})
	if err == nil {
		b.upload = &upload{update: u, have: make([]bool, u.Chunks())}
	}
	return err
}

// Chunks takes chunks as they stand in the file, from chunk first on: one, or several
// in a row. All are verified before any is written, and all are durable when Chunks
// returns; those that are here already are not written again. The error carries
// fuf.ErrChunk if one is not the right one.
func (b *Boot) Chunks(first int, run []byte) error {
	up, err := b.receiving()
	if err != nil {
		return err
	}
	// This takes half of the time, and several callers may do it side by side.
	chunks, err := up.verify(first, run)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.upload != up || b.records.current.State != Receiving {
		return fmt.Errorf("%w: the upload has ended meanwhile", ErrState)
	}
	var parts []part
	for i, chunk := range chunks {
		if up.have[first+i] {
			continue
		}
		content, err := up.key.Decrypt(make([]byte, 0, fuf.ChunkSize), first+i, chunk)
		if err != nil {
			return err
		}
		parts = append(parts, part{first + i, content})
	}
	return b.take(parts)
}

// verify returns the chunks of a run, each of which is the right one.
func (u *upload) verify(first int, run []byte) (chunks [][]byte, err error) {
	for more := true; more; more = len(run) > 0 {
		n := min(len(run), fuf.ChunkSize+fuf.Overhead)
		if err := u.update.VerifyChunk(first+len(chunks), run[:n]); err != nil {
			return nil, err
		}
		chunks, run = append(chunks, run[:n]), run[n:]
	}
	return chunks, nil
}

// receiving returns the upload that wants chunks.
func (b *Boot) receiving() (*upload, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.records.current.State.next(EventChunk); err != nil {
		return nil, err
	}
	if b.upload.key == nil {
		return nil, fmt.Errorf("%w: no host has begun since power-on", ErrState)
	}
	return b.upload, nil
}

// part is the content of a chunk.
type part struct {
	index   int
	content []byte
}

// take writes what is in some chunks.
func (b *Boot) take(parts []part) error {
	if err := b.writeParts(b.records.current.Incoming, b.upload.update, parts); err != nil {
		return err
	}
	for _, p := range parts {
		b.upload.have[p.index] = true
	}
	return nil
}

// reuse takes the chunks that are missing and whose content is in an image that the
// device has. Tags tell which, so that nothing is decrypted for it.
func (b *Boot) reuse() error {
	up := b.upload
	if up.missing() == 0 {
		return nil
	}
	known := b.knownChunks(up.key)
	var parts []part
	for i := range up.have {
		content, ok := known[up.update.Tag(i)]
		if ok && !up.have[i] && len(content) == up.update.ChunkSize(i)-fuf.Overhead {
			parts = append(parts, part{i, content})
		}
	}
	return b.take(parts)
}

// knownChunks returns what is in the images that the device has, by the tags that
// an update with this key gives it.
func (b *Boot) knownChunks(key *fuf.Key) map[fuf.Tag][]byte {
	known := map[fuf.Tag][]byte{}
	for _, p := range []Place{b.records.current.Running, b.records.current.Previous} {
		if !p.isSlot() {
			continue
		}
		u, err := b.readHead(p)
		if err != nil {
			continue // it has decayed: then every chunk is sent
		}
		payload, err := b.readPayload(p, u)
		if err != nil {
			continue // the same
		}
		for len(payload) > 0 {
			n := min(len(payload), fuf.ChunkSize)
			known[key.Tag(payload[:n])] = payload[:n]
			payload = payload[n:]
		}
	}
	return known
}

// Stage ends an upload: it verifies the whole image. The error carries
// ErrIncomplete if chunks are missing. If it carries fuf.ErrPayload, ErrImage or
// ErrUnfit, the upload is given up, and has to begin again.
func (b *Boot) Stage() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.records.current.State.next(EventStage); err != nil {
		return err
	}
	if n := b.upload.missing(); n > 0 {
		return fmt.Errorf("%w: %d of %d chunks are missing", ErrIncomplete, n, len(b.upload.have))
	}
	if err := b.verifyUpload(); err != nil {
		if abort := b.change(EventAbort, nil); abort != nil {
			return abort
		}
		return err
	}
	if b.upload.key != nil {
		b.upload.key.Wipe()
		b.upload.key = nil
	}
	return b.change(EventStage, nil)
}

func (b *Boot) verifyUpload() error {
	u := b.upload.update
	payload, err := b.readPayload(b.records.current.Incoming, u)
	if err != nil {
		return err
	}
	if err := b.verifier.Check(u, payload); err != nil {
		return err
	}
	image, err := decodeFor(u, payload)
	if err != nil {
		return err
	}
	if err := b.fits(image); err != nil {
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	return nil
}

// Abort gives an upload up.
func (b *Boot) Abort() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.change(EventAbort, nil)
}
