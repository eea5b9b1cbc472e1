package hsm

import (
	"sync"
	"sync/atomic"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/policy"
)

// maxKept bounds the bytes that all operations together keep until they end,
// as AES-GCM does.
const maxKept = 64 << 20

// multipart is an operation that takes its data in parts. Its lock is held by
// the one call that works on it, and is never waited for with the HSM's mu held.
type multipart struct {
	hsm     *HSM
	request *command.OperationBeginRequest
	gone    atomic.Bool // it was ended from outside

	mu     sync.Mutex // guards what follows
	over   bool
	work   mech.Operation
	offset uint64 // bytes in the parts so far
	kept   int64  // bytes of maxKept that are its own
}

// operations are those that a session has under way, by kind.
type operations [command.OperationDigest + 1]atomic.Pointer[multipart]

// kindRow is what the kinds of operations differ in.
type kindRow struct {
	code  command.Code // of the command for one part, whose row says who may
	use   operation
	begin func(c *call, key *mech.Key, m *command.Mechanism) (work mech.Operation, iv []byte, err error)
}

// kinds has a row for each command.OperationKind; the first is none.
var kinds = [len(operations{})]kindRow{
	command.OperationSign:    {command.CodeSign, signing, beginSign},
	command.OperationVerify:  {command.CodeVerify, verifying, beginVerify},
	command.OperationEncrypt: {command.CodeEncrypt, encrypting, beginEncrypt},
	command.OperationDecrypt: {command.CodeDecrypt, decrypting, beginDecrypt},
	command.OperationDigest:  {command.CodeDigest, digesting, beginDigest},
}

func beginSign(c *call, key *mech.Key, m *command.Mechanism) (mech.Operation, []byte, error) {
	work, err := mech.NewSigner(key, m, c.hsm.entropy)
	return work, nil, err
}

func beginVerify(_ *call, key *mech.Key, m *command.Mechanism) (mech.Operation, []byte, error) {
	work, err := mech.NewVerifier(key, m)
	return work, nil, err
}

func beginEncrypt(c *call, key *mech.Key, m *command.Mechanism) (mech.Operation, []byte, error) {
	return mech.NewEncrypter(key, m, c.hsm.entropy)
}

func beginDecrypt(_ *call, key *mech.Key, m *command.Mechanism) (mech.Operation, []byte, error) {
	work, err := mech.NewDecrypter(key, m)
	return work, nil, err
}

func beginDigest(_ *call, _ *mech.Key, m *command.Mechanism) (mech.Operation, []byte, error) {
	work, err := mech.NewDigester(m)
	return work, nil, err
}

// as has the call go on as one of the command for one part, with its needs and
// its roles.
func (c *call) as(kind command.OperationKind) (kindRow, error) {
	if kind == 0 || int(kind) >= len(kinds) {
		return kindRow{}, command.StatusArgumentsBad.Withf("there is no operation %d", uint8(kind))
	}
	k := kinds[kind]
	row, _ := command.Lookup(k.code)
	c.row.Need, c.row.Roles = row.Need, row.Roles
	if c.row.Audit != command.AuditNever {
		c.row.Audit = row.Audit
	}
	if err := c.needs(); err != nil {
		return k, err
	}
	return k, c.permits()
}

// idle refuses to begin a second operation of a kind.
func (c *call) idle(kind command.OperationKind) error {
	if c.session.operations[kind].Load() != nil {
		return command.StatusOperationActive.With("the session has such an operation under way", "finish or cancel it")
	}
	return nil
}

func (c *call) operationBegin(r *command.OperationBeginRequest) (*command.OperationBeginResponse, error) {
	kind, err := c.as(r.Kind)
	if err != nil {
		return nil, err
	}
	if err := c.idle(r.Kind); err != nil {
		return nil, err
	}
	key, err := c.keyOf(r, kind)
	if err != nil {
		return nil, err
	}
	work, iv, err := kind.begin(c, key, &r.Mechanism)
	if err != nil {
		return nil, err
	}
	m := &multipart{hsm: c.hsm, request: r, work: work}
	if !c.session.operations[r.Kind].CompareAndSwap(nil, m) {
		return nil, c.idle(r.Kind)
	}
	if err := c.stands(); err != nil { // whoever ended the session or the login may not have seen m
		c.session.drop(r.Kind, m)
		return nil, err
	}
	return &command.OperationBeginResponse{IV: iv}, nil
}

// keyOf returns the key of a new operation, which uses it once; a digest has none.
func (c *call) keyOf(r *command.OperationBeginRequest, kind kindRow) (*mech.Key, error) {
	switch {
	case r.Kind != command.OperationDigest:
		return c.key(r.Key, kind.use, &r.Mechanism)
	case r.Key != 0:
		return nil, command.StatusArgumentsBad.With("a digest has no key", "digest-key adds the value of one")
	}
	_, err := c.mechanism(&r.Mechanism, command.UseDigest)
	if err == nil {
		c.count(r.Mechanism.Type, command.UseDigest)
	}
	return nil, err
}

// mayGoOn checks that the key and the mechanism of an operation may still be used.
func (c *call) mayGoOn(r *command.OperationBeginRequest, kind kindRow) error {
	if r.Kind == command.OperationDigest {
		_, err := c.mechanism(&r.Mechanism, command.UseDigest)
		return err
	}
	_, _, err := c.usable(r.Key, kind.use, &r.Mechanism)
	return err
}

func (c *call) operationUpdate(r *command.OperationUpdateRequest) (*command.OperationResponse, error) {
	return c.step(r.Kind, func(m *multipart) ([]byte, error) {
		defer clear(r.Data)
		if err := m.follows(r.Offset); err != nil {
			return nil, err
		}
		if err := m.keep(len(r.Data)); err != nil {
			return nil, err
		}
		m.offset += uint64(len(r.Data))
		return m.work.Update(r.Data)
	})
}

func (c *call) operationFinish(r *command.OperationFinishRequest) (*command.OperationResponse, error) {
	return c.step(r.Kind, func(m *multipart) ([]byte, error) {
		defer c.session.end(r.Kind, m)
		if err := m.follows(r.Offset); err != nil {
			return nil, err
		}
		if r.Signature != nil && r.Kind != command.OperationVerify {
			return nil, command.StatusArgumentsBad.With("only a verification takes a signature", "")
		}
		return m.work.Finish(r.Signature)
	})
}

// digestKey adds the value of a secret key to a digest.
func (c *call) digestKey(r *command.DigestKeyRequest) error {
	_, err := c.step(command.OperationDigest, func(m *multipart) ([]byte, error) {
		if !c.hsm.state.Load().policies.partition.On(policy.DigestKey) {
			return nil, restricted("partition policy 9 is off: keys are not digested")
		}
		o, err := c.object(r.Key)
		if err != nil {
			return nil, err
		}
		if o.Class() != command.ClassSecretKey {
			return nil, command.StatusKeyIndigestible.With("only secret keys can be digested", "")
		}
		if err := c.mayUse(o, digesting); err != nil {
			return nil, err
		}
		key, err := o.Parsed()
		if err != nil {
			return nil, err
		}
		return nil, mech.DigestKey(m.work, key)
	})
	return err
}

// step has the operation of a kind take a step, in its turn. An error ends it.
func (c *call) step(kind command.OperationKind, do func(*multipart) ([]byte, error)) (*command.OperationResponse, error) {
	row, err := c.as(kind)
	if err != nil {
		return nil, err
	}
	m := c.session.operations[kind].Load()
	if m == nil {
		return nil, noOperation()
	}
	m.mu.Lock()
	defer m.leave()
	if m.over || m.gone.Load() {
		return nil, noOperation()
	}
	c.uses = m.request.Key
	if err = c.mayGoOn(m.request, row); err == nil {
		var out []byte
		if out, err = do(m); err == nil {
			return &command.OperationResponse{Data: out}, nil
		}
	}
	c.session.end(kind, m)
	return nil, err
}

func noOperation() error {
	return command.StatusOperationNotInitialized.With("the session has no such operation under way", "begin one")
}

func (c *call) operationCancel(r *command.OperationCancelRequest) error {
	if r.Kind == 0 || int(r.Kind) >= len(kinds) {
		return command.StatusArgumentsBad.Withf("there is no operation %d", uint8(r.Kind))
	}
	m := c.session.operations[r.Kind].Load()
	if m == nil {
		return noOperation()
	}
	c.session.drop(r.Kind, m)
	return nil
}

// follows refuses a part that is not the next one.
func (m *multipart) follows(offset uint64) error {
	if offset != m.offset {
		return command.StatusArgumentsBad.With("a part is missing or came twice", "begin again")
	}
	return nil
}

// keep takes room for bytes that the operation keeps until its end.
func (m *multipart) keep(n int) error {
	if !m.work.Keeps() {
		return nil
	}
	if m.hsm.kept.Add(int64(n)) > maxKept {
		m.hsm.kept.Add(-int64(n))
		return command.StatusNotEnoughMemory.With("the operations under way keep too much data", "finish others first")
	}
	m.kept += int64(n)
	return nil
}

// end ends an operation; its lock is held.
func (s *session) end(kind command.OperationKind, m *multipart) {
	s.operations[kind].CompareAndSwap(m, nil)
	m.end()
}

func (m *multipart) end() {
	if m.over {
		return
	}
	m.over = true
	m.work.Wipe()
	m.hsm.kept.Add(-m.kept)
	m.work = nil
}

// drop ends an operation from outside. It does not wait for a call that works on
// it: that one wipes it when it leaves.
func (s *session) drop(kind command.OperationKind, m *multipart) {
	s.operations[kind].CompareAndSwap(m, nil)
	m.gone.Store(true)
	m.sweep()
}

// dropAll ends all operations of a session.
func (s *session) dropAll() {
	for kind := range s.operations {
		if m := s.operations[kind].Load(); m != nil {
			s.drop(command.OperationKind(kind), m)
		}
	}
}

// leave gives the lock back.
func (m *multipart) leave() {
	m.mu.Unlock()
	m.sweep()
}

// sweep ends an operation that is gone, unless a call works on it, which does so
// itself then.
func (m *multipart) sweep() {
	if m.gone.Load() && m.mu.TryLock() {
		m.end()
		m.mu.Unlock()
	}
}
