package device

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/firmware/hsm"
)

// maxHeld is how many bytes of requests in flight and answers not yet sent the
// device keeps. A request that would take it past that is refused, unless it is
// the only one.
const maxHeld = 64 << 20

// quick commands only compute: none waits for the flash, for another command or
// for a password to be checked. More of them at a time than there are
// processors would only get in the way of the link's goroutines.
var quick = map[command.Code]bool{
	command.CodeInfo: true, command.CodeEcho: true, command.CodeMechanisms: true, command.CodeSessionInfo: true,
	command.CodeRoleState: true, command.CodeFindObjects: true, command.CodeGetAttributes: true,
	command.CodeSign: true, command.CodeVerify: true, command.CodeEncrypt: true, command.CodeDecrypt: true,
	command.CodeDigest: true, command.CodeRandom: true, command.CodePartitionMetrics: true, command.CodeTimeGet: true,
}

// inOrder are the commands of operations with data in parts: those of a session
// are carried out in the order in which they come.
var inOrder = map[command.Code]bool{
	command.CodeOperationBegin: true, command.CodeOperationUpdate: true, command.CodeOperationFinish: true,
	command.CodeOperationCancel: true, command.CodeDigestKey: true,
}

// restarts are the commands after which the device restarts, if there is somebody
// who can make it.
var restarts = map[command.Code]bool{
	command.CodeHSMRestart: true, command.CodeUpdateApply: true, command.CodeUpdateRollback: true,
	command.CodeUpdateCapability: true,
}

// protocolVersion is the one version of the protocol that this firmware speaks.
const protocolVersion = 1

// link is the device's side of the conversation with one host at a time: it
// takes the messages of the OUT endpoint, keeps the requests in flight, and
// hands answers to the writer of the IN endpoint. It implements frame.Sink.
//
// Each HELLO, and each reset of the USB link, begins a new epoch. What belongs
// to an earlier epoch is cancelled and its answers are dropped, so a host never
// meets the remains of the one before.
type link struct {
	core    *hsm.HSM
	events  *events
	log     zerolog.Logger
	quick   chan *request   // to the workers for quick commands
	slow    chan *request   // to those for all others
	ordered []chan *request // by session, for commands in order: each has one worker
	answers chan answer     // to the writer
	closing <-chan struct{}
	held    atomic.Int64 // payload bytes of requests in flight and of answers
	buffers *frame.Buffers

	oneByOne   bool   // all requests go to slow, which has one worker
	carriedOut func() // called after each command that may have changed something

	mu       sync.Mutex // guards what follows; epoch and open may be read without it
	epoch    atomic.Uint64
	open     atomic.Bool // a host has said HELLO
	host     *hsm.Host   // nil before HELLO
	inFlight map[uint32]*request
}

// request is one request in flight.
type request struct {
	epoch   uint64
	host    *hsm.Host
	message frame.Message // the payload is the request's own
	ctx     context.Context
	cancel  context.CancelFunc
}

// answer is a message on its way to the host.
type answer struct {
	epoch   uint64
	message frame.Message
	last    bool // the device restarts when it has left
}

func newLink(core *hsm.HSM, notes *events, buffers *frame.Buffers, log zerolog.Logger, closing <-chan struct{}) *link {
	return &link{
		core: core, events: notes, buffers: buffers, log: log, closing: closing,
		quick:    make(chan *request, frame.MaxInFlight),
		slow:     make(chan *request, frame.MaxInFlight),
		answers:  make(chan answer, 2*frame.MaxInFlight),
		inFlight: make(map[uint32]*request, frame.MaxInFlight),
	}
}

// close lets the workers end; nothing is accepted any more.
func (l *link) close() {
	close(l.quick)
	close(l.slow)
	for _, requests := range l.ordered {
		close(requests)
	}
}

// Message takes one whole message from the host. The payload may alias the
// transfer it came in.
func (l *link) Message(m frame.Message) {
	switch m.Type {
	case frame.TypeHello:
		l.hello(m)
	case frame.TypeRequest:
		if err := l.accept(m); err != nil {
			l.buffers.Put(m.Payload)
			l.refuse(frame.TypeResponse, m.Tag, err)
		}
	case frame.TypeCancel:
		l.cancel(m.Tag)
	default:
		l.refuse(frame.TypeResponse, m.Tag, command.StatusCommandMalformed.With("a host sends REQUEST, CANCEL and HELLO only", ""))
	}
}

// Fault answers bytes that were no message.
func (l *link) Fault(f frame.Fault) {
	l.log.Warn().Uint32("tag", f.Tag).Str("cause", f.Cause).Msg("bad frame from the host")
	answerType := frame.TypeResponse
	if f.Type == frame.TypeHello {
		answerType = frame.TypeHello
	}
	l.refuse(answerType, f.Tag, command.Status(f.Status).With(f.Cause, ""))
}

// reset ends the epoch: the host has gone or has reset the link.
func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endEpoch()
}

// endEpoch cancels everything that belongs to the present host.
func (l *link) endEpoch() {
	l.epoch.Add(1)
	for _, r := range l.inFlight {
		r.cancel()
	}
	clear(l.inFlight)
	if l.host != nil {
		l.host.Close()
		l.host = nil
		l.open.Store(false)
	}
}

func (l *link) hello(m frame.Message) {
	response, err := l.connect(m)
	if err != nil {
		l.refuse(frame.TypeHello, m.Tag, err)
		return
	}
	payload, _ := command.Marshal(response) // a fixed struct: cannot fail
	l.send(frame.Message{Type: frame.TypeHello, Tag: m.Tag, Payload: payload})
}

// connect ends the present epoch in any case and begins the next one if a version
// of the protocol suits both sides.
func (l *link) connect(m frame.Message) (*command.HelloResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endEpoch()
	var req command.HelloRequest
	if err := command.Unmarshal(m.Payload, &req); err != nil {
		return nil, err
	}
	if req.MinVersion > protocolVersion || req.MaxVersion < protocolVersion {
		return nil, command.StatusIncompatible.With("this device speaks version 1 of the protocol", "use a driver that speaks version 1")
	}
	l.events.drop() // they were for the host before
	l.host = l.core.Connect()
	l.open.Store(true)
	if req.Client != "" { // a driver that closes says HELLO without a name, to be forgotten
		l.log.Info().Str("client", printable(req.Client)).Msg("host opened the link")
	}
	return capabilities(l.core), nil
}

// accept puts a request in flight.
func (l *link) accept(m frame.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.host == nil:
		return command.StatusNoTransmission.With("no HELLO yet", "send HELLO first")
	case m.Tag == 0:
		return command.StatusCommandMalformed.With("a request has a tag other than 0", "")
	case l.inFlight[m.Tag] != nil:
		return command.StatusOperationActive.With("a request with this tag is still in flight", "give each request in flight a tag of its own")
	case len(l.inFlight) >= frame.MaxInFlight:
		return command.StatusMailboxesNotAvailable.With("too many requests in flight", "wait for an answer before sending more")
	case l.held.Load() > 0 && l.held.Load()+int64(len(m.Payload)) > maxHeld:
		return command.StatusMailboxesNotAvailable.With("the requests in flight are too large together", "wait for an answer before sending more")
	}
	r := &request{epoch: l.epoch.Load(), host: l.host, message: m}
	if !m.Joined {
		r.message.Payload = append(l.buffers.Get(len(m.Payload))[:0], m.Payload...)
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	select {
	case l.workers(m) <- r:
		l.inFlight[m.Tag] = r
		l.held.Add(int64(len(m.Payload)))
		return nil
	default: // the workers still finish cancelled requests of earlier hosts
		r.cancel()
		return command.StatusMailboxesNotAvailable.With("the device is finishing earlier requests", "try again")
	}
}

// workers returns the way to the workers for a request.
func (l *link) workers(m frame.Message) chan<- *request {
	switch code := command.Code(m.Code); {
	case l.oneByOne:
		return l.slow
	case inOrder[code]:
		return l.ordered[m.Session%uint32(len(l.ordered))]
	case quick[code]:
		return l.quick
	}
	return l.slow
}

// cancel asks a request to stop. Its answer says whether it did.
func (l *link) cancel(tag uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.inFlight[tag]; r != nil {
		r.cancel()
	}
}

// work runs requests until the channel is closed.
func (l *link) work(requests <-chan *request) {
	for r := range requests {
		status, payload := r.host.Execute(r.ctx, command.Code(r.message.Code), r.message.Session, r.message.Payload)
		l.buffers.Put(r.message.Payload) // wiped: it may have held a password
		if status == command.StatusDeviceError {
			l.report(r, payload)
		}
		l.finish(r, status, payload)
		if !quick[command.Code(r.message.Code)] {
			l.carriedOut()
		}
	}
}

// report logs that the device itself failed: that is not the host's business alone.
func (l *link) report(r *request, payload []byte) {
	var failure command.ErrorResponse
	_ = command.Unmarshal(payload, &failure) // our own: cannot fail
	l.log.Error().Stringer("command", command.Code(r.message.Code)).Str("cause", failure.Cause).Msg("a command failed in the device")
}

// finish takes r out of flight and sends its answer, unless its host has gone.
func (l *link) finish(r *request, status command.Status, payload []byte) {
	r.cancel()
	l.held.Add(-int64(len(r.message.Payload)))
	l.mu.Lock()
	current := r.epoch == l.epoch.Load()
	if current {
		delete(l.inFlight, r.message.Tag)
	}
	l.mu.Unlock()
	if current {
		l.queue(answer{epoch: r.epoch, message: frame.Message{
			Type: frame.TypeResponse, Tag: r.message.Tag, Session: r.message.Session,
			Code: uint32(status), Payload: payload,
		}, last: restarts[command.Code(r.message.Code)] && status == command.StatusOK})
	}
}

// refuse answers without a request being in flight.
func (l *link) refuse(t frame.Type, tag uint32, err error) {
	refusal := command.StatusGeneralError.With(err.Error(), "")
	errors.As(err, &refusal)
	payload, _ := command.Marshal(command.ErrorResponse{Cause: refusal.Cause, Hint: refusal.Hint}) // two strings: cannot fail
	l.send(frame.Message{Type: t, Tag: tag, Code: uint32(refusal.Status), Payload: payload})
}

func (l *link) send(m frame.Message) {
	l.queue(answer{epoch: l.epoch.Load(), message: m})
}

// queue waits while the host reads too slowly. That is the backpressure: while
// the queue is full the OUT endpoint is not read, so it answers NAK.
func (l *link) queue(a answer) {
	l.held.Add(int64(len(a.message.Payload)))
	select {
	case l.answers <- a:
	case <-l.closing:
	}
}

// capabilities is the answer to HELLO.
func capabilities(core *hsm.HSM) *command.HelloResponse {
	model, serial, firmware := core.Identity()
	codes := make([]command.Code, 0, len(command.Rows))
	for _, row := range command.Rows {
		codes = append(codes, row.Code)
	}
	return &command.HelloResponse{
		Version: protocolVersion, MaxMessage: frame.MaxMessage, MaxTransfer: frame.MaxTransfer,
		MaxInFlight: frame.MaxInFlight, Commands: codes, Model: model, Serial: serial, Firmware: firmware,
	}
}

// printable makes a name that a host chose fit for the log.
func printable(s string) string {
	const most = 64
	out := make([]rune, 0, most)
	for _, r := range s {
		if len(out) == most {
			break
		}
		if r < ' ' || r > '~' {
			r = '.'
		}
		out = append(out, r)
	}
	return string(out)
}
