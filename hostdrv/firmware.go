package hostdrv

import (
	"context"
	"fmt"
	"sync"

	"usbhsm7/firmware/command"
)

// Version is the version of this driver, which firmware updates may demand.
const Version = "1.0.0"

// uploads is how many requests with chunks are on their way to the device at a time,
// and chunksOfRequest how many chunks each has at most: the device writes these to its
// flash together, and what was lost when an upload breaks off is little.
const (
	uploads         = 4
	chunksOfRequest = 16
)

// UpdateFile is a firmware update: what package fuf calls head and chunks.
type UpdateFile interface {
	Head() ([]byte, error)
	Chunk(i int) ([]byte, error) // as it stands in the file; called by several goroutines
}

// Firmware tells about the firmware of the device, and about an update that is
// under way.
func (s *Session) Firmware(ctx context.Context) (command.UpdateStatus, error) {
	return ask[command.UpdateStatus](ctx, s, command.CodeUpdateStatus, nil)
}

// PlanUpdate tells what an update would do, and what stands against it; nothing is
// changed. The authentication code of 12 bytes may be missing.
func (s *Session) PlanUpdate(ctx context.Context, file UpdateFile, authcode []byte) (command.UpdatePlanResponse, error) {
	head, err := file.Head()
	if err != nil {
		return command.UpdatePlanResponse{}, err
	}
	return ask[command.UpdatePlanResponse](ctx, s, command.CodeUpdatePlan, &command.UpdateRequest{Head: head, Authcode: authcode, Client: Version})
}

// Upload sends an update to the device, as the HSM SO: whatever of it is not there
// yet, so that it goes on where an earlier upload of the same file was interrupted.
// At the end the device verifies the whole.
// After each few chunks it calls progress, unless that is nil, from one goroutine at a
// time. ApplyUpdate then has the new firmware run.
func (s *Session) Upload(ctx context.Context, file UpdateFile, authcode []byte, progress func(done, total int)) error {
	status, err := s.beginUpdate(ctx, file, authcode)
	for err == nil && len(status.Missing) > 0 {
		u := &uploading{session: s, file: file, progress: progress, total: int(status.Chunks), done: int(status.Chunks) - len(status.Missing)}
		if err = u.send(ctx, status.Missing); err == nil {
			status, err = s.Firmware(ctx) // a response lists only so many
		}
	}
	if err != nil || status.State == command.UpdateStaged {
		return err
	}
	return tell(ctx, s, command.CodeUpdateStage, nil)
}

func (s *Session) beginUpdate(ctx context.Context, file UpdateFile, authcode []byte) (command.UpdateStatus, error) {
	head, err := file.Head()
	if err != nil {
		return command.UpdateStatus{}, err
	}
	return ask[command.UpdateStatus](ctx, s, command.CodeUpdateBegin, &command.UpdateRequest{Head: head, Authcode: authcode, Client: Version})
}

// uploading is an upload under way.
type uploading struct {
	session *Session
	file    UpdateFile

	mu       sync.Mutex
	progress func(done, total int)
	done     int
	total    int
}

// send sends chunks, several requests at a time. When one fails, no other is begun, and
// those on their way still arrive.
func (u *uploading) send(ctx context.Context, chunks []uint) error {
	going, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan []uint)
	var senders sync.WaitGroup
	for range min(uploads, len(chunks)) {
		senders.Go(func() {
			for run := range next {
				if err := u.sendRun(ctx, run); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	feed(going, next, chunks)
	senders.Wait()
	return context.Cause(going)
}

// feed gives out runs of chunks until there are no more or ctx ends.
func feed(ctx context.Context, next chan<- []uint, chunks []uint) {
	defer close(next)
	for len(chunks) > 0 {
		n := runOf(chunks)
		select {
		case next <- chunks[:n]:
			chunks = chunks[n:]
		case <-ctx.Done():
			return
		}
	}
}

// runOf returns how many chunks at the beginning are in a row, and go in one request.
func runOf(chunks []uint) int {
	n := 1
	for n < min(len(chunks), chunksOfRequest) && chunks[n] == chunks[0]+uint(n) {
		n++
	}
	return n
}

// sendRun sends chunks that are in a row. If one cannot be had, those before it are sent.
func (u *uploading) sendRun(ctx context.Context, run []uint) error {
	data, n, unread := u.read(run)
	if n == 0 {
		return unread
	}
	if err := tell(ctx, u.session, command.CodeUpdateChunk, &command.UpdateChunkRequest{Index: run[0], Data: data}); err != nil {
		return fmt.Errorf("chunks %d to %d of the update: %w", run[0], run[n-1], err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done += n
	if u.progress != nil {
		u.progress(u.done, u.total)
	}
	return unread
}

// read reads chunks as far as they can be had, which are n.
func (u *uploading) read(run []uint) (data []byte, n int, err error) {
	for _, i := range run {
		chunk, err := u.file.Chunk(int(i))
		if err != nil {
			return data, n, err
		}
		if data == nil {
			data = make([]byte, 0, len(run)*len(chunk)) // no other is longer
		}
		data, n = append(data, chunk...), n+1
	}
	return data, n, nil
}

// ApplyUpdate has the firmware that was uploaded run, as the HSM SO. With quorum
// authentication a person at the device has to allow it. The device leaves the bus
// and comes back: see Device.Follow.
func (s *Session) ApplyUpdate(ctx context.Context) error {
	return tell(ctx, s, command.CodeUpdateApply, nil)
}

// AbortUpdate gives an update up that was not applied, as the HSM SO.
func (s *Session) AbortUpdate(ctx context.Context) error {
	return tell(ctx, s, command.CodeUpdateAbort, nil)
}

// RollbackFirmware has the firmware before run, as the HSM SO. It destroys all keys
// and roles. The device leaves the bus and comes back.
func (s *Session) RollbackFirmware(ctx context.Context) error {
	return tell(ctx, s, command.CodeUpdateRollback, nil)
}

// RaiseFloor rules out firmware with a security version below a number, for good,
// as the HSM SO.
func (s *Session) RaiseFloor(ctx context.Context, security uint32) error {
	return tell(ctx, s, command.CodeUpdateFloor, &command.UpdateFloorRequest{Security: security})
}

// UpdateCapability has the device take a capability update, whole, as the HSM SO. It
// may destroy the partition. The device leaves the bus and comes back.
func (s *Session) UpdateCapability(ctx context.Context, file, authcode []byte) error {
	return tell(ctx, s, command.CodeUpdateCapability, &command.UpdateCapabilityRequest{File: file, Authcode: authcode, Client: Version})
}

// Licences lists what capability updates have brought.
func (s *Session) Licences(ctx context.Context) ([]command.LicenceInfo, error) {
	r, err := ask[command.LicencesResponse](ctx, s, command.CodeLicences, nil)
	return r.Licences, err
}
