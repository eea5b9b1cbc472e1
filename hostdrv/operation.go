package hostdrv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
)

// Bounds of what Copy has under way. A part fits one frame, so that parts reach
// the device in the order in which they are sent.
const (
	partSize  = frame.MaxPayload - 64 // bytes; the rest is for the other fields
	maxParts  = 8
	cancelFor = time.Second // how long Copy waits to cancel an operation that failed
)

// Operation is an operation whose data goes to the device in parts, of any
// length together. A session has at most one of each kind. It is for one
// goroutine, ends with Finish or Cancel, and after an error it is over.
type Operation struct {
	session *Session
	kind    command.OperationKind
	iv      []byte
	offset  uint64
}

// Begin begins an operation. A digest has no key: 0. While another of the kind is
// under way in the session the error is command.StatusOperationActive; for a
// mechanism that takes its data in one part, such as ECDSA on a hash, it is
// command.StatusMechanismInvalid.
func (s *Session) Begin(ctx context.Context, kind command.OperationKind, m command.Mechanism, key command.Handle) (*Operation, error) {
	req := &command.OperationBeginRequest{Kind: kind, Mechanism: m, Key: key}
	r, err := ask[command.OperationBeginResponse](ctx, s, command.CodeOperationBegin, req)
	if err != nil {
		return nil, err
	}
	return &Operation{session: s, kind: kind, iv: r.IV}, nil
}

// IV returns the nonce that the device chose, nil if it chose none.
func (o *Operation) IV() []byte { return o.iv }

// Update gives the device the next part, of up to 16 MiB less 4 KiB, and returns
// what the result grew by.
func (o *Operation) Update(ctx context.Context, part []byte) ([]byte, error) {
	r, err := ask[command.OperationResponse](ctx, o.session, command.CodeOperationUpdate, o.next(part))
	return r.Data, err
}

// next makes the request for the next part.
func (o *Operation) next(part []byte) *command.OperationUpdateRequest {
	r := &command.OperationUpdateRequest{Kind: o.kind, Offset: o.offset, Data: part}
	o.offset += uint64(len(part))
	return r
}

// Finish ends the operation and returns the rest of the result: the signature,
// the digest, the last bytes. Signature is what a verification checks, otherwise
// nil.
func (o *Operation) Finish(ctx context.Context, signature []byte) ([]byte, error) {
	req := &command.OperationFinishRequest{Kind: o.kind, Offset: o.offset, Signature: signature}
	r, err := ask[command.OperationResponse](ctx, o.session, command.CodeOperationFinish, req)
	return r.Data, err
}

// Cancel gives the operation up.
func (o *Operation) Cancel(ctx context.Context) error {
	return tell(ctx, o.session, command.CodeOperationCancel, &command.OperationCancelRequest{Kind: o.kind})
}

// DigestKey adds the value of a secret key to a digest.
func (o *Operation) DigestKey(ctx context.Context, key command.Handle) error {
	return tell(ctx, o.session, command.CodeDigestKey, &command.DigestKeyRequest{Key: key})
}

// Copy gives the device all that r has, several parts at a time, and writes what
// the result grows by to w, which may be nil for other kinds than encryption and
// decryption. If it fails it cancels the operation.
func (o *Operation) Copy(ctx context.Context, w io.Writer, r io.Reader) error {
	c, _, err := o.session.route()
	if err != nil {
		return err
	}
	p := &pipeline{operation: o, conn: c, to: w}
	if err = errors.Join(p.fill(ctx, r), p.drain(ctx, 0)); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelFor)
	defer cancel()
	if abort := o.Cancel(ctx); abort != nil && !errors.Is(abort, command.StatusOperationNotInitialized) {
		err = errors.Join(err, abort)
	}
	return err
}

// pipeline has parts of one operation under way.
type pipeline struct {
	operation *Operation
	conn      *conn
	to        io.Writer
	sent      []*request // in order, without an answer yet
	err       error      // of the first answer that was none
}

// fill sends parts until r has no more.
func (p *pipeline) fill(ctx context.Context, r io.Reader) error {
	part := make([]byte, partSize)
	defer clear(part)
	for p.err == nil {
		n, err := io.ReadFull(r, part)
		if n > 0 {
			if err := p.send(ctx, part[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		default:
			return fmt.Errorf("read the data: %w", err)
		}
	}
	return nil // drain tells
}

func (p *pipeline) send(ctx context.Context, part []byte) error {
	if err := p.drain(ctx, maxParts-1); err != nil {
		return nil // told at the end
	}
	r, err := p.conn.start(ctx, command.CodeOperationUpdate, p.operation.session.handle, p.operation.next(part))
	if err == nil {
		p.sent = append(p.sent, r)
	}
	return err
}

// drain takes answers until no more than left are outstanding. Once one has
// failed it takes the others to no purpose, and returns what failed.
func (p *pipeline) drain(ctx context.Context, left int) error {
	for len(p.sent) > left {
		var answer command.OperationResponse
		err := p.conn.await(ctx, command.CodeOperationUpdate, p.sent[0], &answer)
		p.sent = p.sent[1:]
		if p.err != nil {
			continue
		}
		if p.err = err; err == nil && p.to != nil && len(answer.Data) > 0 {
			_, p.err = p.to.Write(answer.Data)
		}
	}
	return p.err
}

// SignReader signs all that r has, which may be of any length. The mechanism has
// to hash by itself, as ECDSA_SHA256 and SHA256_HMAC do.
func (s *Session) SignReader(ctx context.Context, m command.Mechanism, key command.Handle, r io.Reader) ([]byte, error) {
	return s.stream(ctx, command.OperationSign, m, key, r, nil)
}

// VerifyReader checks a signature or a MAC over all that r has. A wrong one is
// command.StatusSignatureInvalid.
func (s *Session) VerifyReader(ctx context.Context, m command.Mechanism, key command.Handle, r io.Reader, signature []byte) error {
	_, err := s.stream(ctx, command.OperationVerify, m, key, r, signature)
	return err
}

// DigestReader hashes all that r has.
func (s *Session) DigestReader(ctx context.Context, m command.MechanismType, r io.Reader) ([]byte, error) {
	return s.stream(ctx, command.OperationDigest, command.Mechanism{Type: m}, 0, r, nil)
}

func (s *Session) stream(ctx context.Context, kind command.OperationKind, m command.Mechanism, key command.Handle, r io.Reader, signature []byte) ([]byte, error) {
	o, err := s.Begin(ctx, kind, m, key)
	if err != nil {
		return nil, err
	}
	if err := o.Copy(ctx, nil, r); err != nil {
		return nil, err
	}
	return o.Finish(ctx, signature)
}

// DecryptReader decrypts all that r has to w. AES-GCM takes up to 16 MiB and
// writes only what is genuine; with other mechanisms w has got data already when
// an error comes.
func (s *Session) DecryptReader(ctx context.Context, m command.Mechanism, key command.Handle, w io.Writer, r io.Reader) error {
	o, err := s.Begin(ctx, command.OperationDecrypt, m, key)
	if err != nil {
		return err
	}
	return o.finishTo(ctx, w, r)
}

// EncryptReader encrypts all that r has to w. AES-GCM takes up to 16 MiB and
// appends the tag; if m has no IV the device chooses one, and begin is called
// with it, unless it is nil, before anything is written.
func (s *Session) EncryptReader(ctx context.Context, m command.Mechanism, key command.Handle, w io.Writer, r io.Reader, begin func(iv []byte) error) error {
	o, err := s.Begin(ctx, command.OperationEncrypt, m, key)
	if err != nil {
		return err
	}
	if begin != nil {
		if err := begin(o.IV()); err != nil {
			return errors.Join(err, o.Cancel(ctx))
		}
	}
	return o.finishTo(ctx, w, r)
}

func (o *Operation) finishTo(ctx context.Context, w io.Writer, r io.Reader) error {
	if err := o.Copy(ctx, w, r); err != nil {
		return err
	}
	rest, err := o.Finish(ctx, nil)
	if err == nil {
		_, err = w.Write(rest)
	}
	return err
}
