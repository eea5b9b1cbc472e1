package device_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/frame"
	"usbhsm7/firmware/store"
	"usbhsm7/usbip/usb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHelloTellsWhatTheDeviceCanDo(t *testing.T) {
	h := plugIn(t, power(t))
	var got command.HelloResponse
	if err := command.Unmarshal(h.hello().Payload, &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != 1 || got.MaxMessage != frame.MaxMessage || got.MaxTransfer != frame.MaxTransfer || got.MaxInFlight != frame.MaxInFlight {
		t.Errorf("limits %+v", got)
	}
	if len(got.Commands) != len(command.Rows) || got.Serial != "7000001" || got.Model == "" || got.Firmware == "" {
		t.Errorf("identity %+v", got)
	}
}

// Who runs a device on a disk that is full finds that in its log, and not at the host only.
func TestTheLogTellsThatTheStorageFails(t *testing.T) {
	var (
		full atomic.Bool
		log  bytes.Buffer
	)
	chip := flash.NewTap(blank(t), func(flash.Operation) error {
		if full.Load() {
			return errors.New("no space left on device")
		}
		return nil
	})
	d, err := device.New(device.Config{Flash: chip, Logger: zerolog.New(zerolog.SyncWriter(&log))})
	if err != nil {
		t.Fatal(err)
	}
	h := hello(t, d)
	session := h.open(command.SlotAdmin)
	full.Store(true)
	request := command.HSMInitRequest{Label: "x", Password: []byte("so-password")}
	if status := h.call(command.CodeHSMInit, session, request, nil); status != command.StatusDeviceError {
		t.Errorf("status %v", status)
	}
	_ = d.Close() // it tells of the storage as well
	if got := log.String(); !strings.Contains(got, `"level":"error","command":"hsm-init","cause":"the storage failed: `) || !strings.Contains(got, "no space left on device") {
		t.Errorf("logged %s", got)
	}
}

func TestHelloRefusesVersionsItDoesNotSpeak(t *testing.T) {
	h := plugIn(t, power(t))
	payload, _ := command.Marshal(command.HelloRequest{MinVersion: 2, MaxVersion: 9})
	h.send(frames(frame.Message{Type: frame.TypeHello, Tag: 5, Payload: payload}))
	if m := h.receive(); m.Type != frame.TypeHello || m.Tag != 5 || command.Status(m.Code) != command.StatusIncompatible {
		t.Errorf("answer %+v", m)
	}
	if m := h.hello(); m.Code != 0 {
		t.Errorf("HELLO with version 1 afterwards: %v", command.Status(m.Code))
	}
}

// edit returns a frame of an info request after change has spoilt its header;
// check says whether to make the header check right again.
func edit(check bool, change func(b []byte)) []byte {
	b := frames(frame.Message{Type: frame.TypeRequest, Tag: 7, Code: uint32(command.CodeInfo)})
	change(b)
	if check {
		binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], crc32.MakeTable(crc32.Castagnoli)))
	}
	return b
}

func TestBadInputIsAnsweredByItsStatusAndTheDeviceGoesOn(t *testing.T) {
	put32 := func(at int, v uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], v) }
	}
	tests := []struct {
		name     string
		transfer []byte
		tag      uint32
		want     command.Status
	}{
		{"wrong magic", edit(true, put32(0, 0xDEADBEEF)), 0, command.StatusCommandMalformed},
		{"wrong header check", edit(false, put32(8, 9)), 0, command.StatusCommandMalformed},
		{"half a header", edit(false, func([]byte) {})[:20], 0, command.StatusCommandMalformed},
		{"random bytes of two packets", bytes.Repeat([]byte{0xA5}, 1024), 0, command.StatusCommandMalformed},
		{"length beyond the transfer", edit(true, func(b []byte) { put32(20, 100)(b); put32(24, 100)(b) }), 7, command.StatusTransmissionError},
		{"message above 16 MiB", edit(true, func(b []byte) { put32(24, frame.MaxMessage+1)(b); b[6] = 1 }), 7, command.StatusDataLenRange},
		{"length of 4 GiB", edit(true, func(b []byte) { put32(20, 0xFFFFFFFF)(b); put32(24, 0xFFFFFFFF)(b) }), 7, command.StatusTransmissionError},
		{"fragment without a beginning", edit(true, func(b []byte) { b[6] = 2 }), 7, command.StatusTransmissionError},
		{"unknown command", edit(true, put32(16, 0x7777)), 7, command.StatusUnknownCommand},
		{"payload that is no CBOR", frames(frame.Message{Type: frame.TypeRequest, Tag: 7, Code: uint32(command.CodeEcho), Payload: []byte{0xFF}}), 7, command.StatusArgumentsBad},
		{"payload where none belongs", frames(frame.Message{Type: frame.TypeRequest, Tag: 7, Code: uint32(command.CodeInfo), Payload: []byte{0xA0}}), 7, command.StatusArgumentsBad},
		{"request with tag 0", edit(true, put32(8, 0)), 0, command.StatusCommandMalformed},
		{"session that was never opened", frames(frame.Message{Type: frame.TypeRequest, Tag: 7, Session: 99, Code: uint32(command.CodeRandom), Payload: []byte{0xA1, 1, 8}}), 7, command.StatusSessionHandleInvalid},
		{"a host that plays the device", frames(frame.Message{Type: frame.TypeResponse, Tag: 7}), 7, command.StatusCommandMalformed},
	}
	h := hello(t, power(t))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h.t = t
			h.send(test.transfer)
			m := h.receive()
			if m.Type != frame.TypeResponse || m.Tag != test.tag || command.Status(m.Code) != test.want {
				t.Errorf("answer %v, tag %d, %v; want tag %d, %v", m.Type, m.Tag, command.Status(m.Code), test.tag, test.want)
			}
			var why command.ErrorResponse
			if err := command.Unmarshal(m.Payload, &why); err != nil || why.Cause == "" {
				t.Errorf("cause %q, %v", why.Cause, err)
			}
			h.alive()
		})
	}
	h.t = t
}

func TestARequestBeforeHelloIsRefused(t *testing.T) {
	h := plugIn(t, power(t))
	if status := h.call(command.CodeInfo, 0, nil, nil); status != command.StatusNoTransmission {
		t.Errorf("status %v", status)
	}
}

func TestATransferThatIsTooLongIsRefused(t *testing.T) {
	h := hello(t, power(t))
	h.send(make([]byte, frame.MaxTransfer+1))
	first, second := h.receive(), frame.Message{}
	if command.Status(first.Code) != command.StatusTransmissionError {
		t.Errorf("status %v %v", command.Status(first.Code), second)
	}
	h.alive()
}

func TestAFrameAfterGarbageInTheSameTransferIsAnswered(t *testing.T) {
	h := hello(t, power(t))
	_, request := h.request(command.CodeInfo, 0, nil)
	h.send(append(bytes.Repeat([]byte("HSM"), 171), request...))
	if m := h.receive(); m.Tag != 0 || command.Status(m.Code) != command.StatusCommandMalformed {
		t.Errorf("first answer: tag %d, %v", m.Tag, command.Status(m.Code))
	}
	if m := h.receive(); m.Tag != h.nextTag || m.Code != 0 {
		t.Errorf("second answer: tag %d, %v", m.Tag, command.Status(m.Code))
	}
}

func TestAHostThatVanishesInMidMessageLeavesNothingBehind(t *testing.T) {
	d := power(t)
	first := hello(t, d)
	var opened command.SessionOpenResponse
	first.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: command.SlotAdmin}, &opened)
	half := edit(true, func(b []byte) { binary.LittleEndian.PutUint32(b[24:], 1000); b[6] = 1 })
	first.send(half)
	first.port.Submit(&usb.URB{Endpoint: 0x01, Buffer: half[:0:0], Done: func(*usb.URB) {}})
	first.port.Disconnect()

	second := hello(t, d)
	var info command.InfoResponse
	second.must(command.CodeInfo, 0, nil, &info)
	if info.Sessions != 0 {
		t.Errorf("%d sessions of the first host are open", info.Sessions)
	}
	if status := second.call(command.CodeSessionInfo, opened.Session, nil, nil); status != command.StatusSessionHandleInvalid {
		t.Errorf("session of the first host: %v", status)
	}
}

func TestASecondHostIsRefused(t *testing.T) {
	d := power(t)
	first := hello(t, d)
	if _, err := d.USB().Connect(); !errors.Is(err, usb.ErrBusy) {
		t.Errorf("error %v", err)
	}
	first.alive()
}

func TestHelloAgainClosesSessions(t *testing.T) {
	h := hello(t, power(t))
	var opened command.SessionOpenResponse
	h.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: command.SlotAdmin}, &opened)
	h.hello()
	if status := h.call(command.CodeSessionInfo, opened.Session, nil, nil); status != command.StatusSessionHandleInvalid {
		t.Errorf("status %v", status)
	}
}

func TestAFloodIsAnsweredOnceForEachRequest(t *testing.T) {
	h := hello(t, power(t))
	const flood = 1000
	sent := make(chan struct{})
	go func() { // the device stops reading when nobody reads its answers
		defer close(sent)
		for tag := uint32(1); tag <= flood; tag++ {
			done := make(chan struct{})
			transfer := frames(frame.Message{Type: frame.TypeRequest, Tag: tag, Code: uint32(command.CodeInfo)})
			h.port.Submit(&usb.URB{Endpoint: 0x01, Buffer: transfer, Done: func(*usb.URB) { close(done) }})
			<-done
		}
	}()
	answers := map[uint32]command.Status{}
	for len(answers) < flood {
		m := h.receive()
		if _, twice := answers[m.Tag]; twice {
			t.Fatalf("two answers for tag %d", m.Tag)
		}
		if answers[m.Tag] = command.Status(m.Code); m.Code != 0 && command.Status(m.Code) != command.StatusMailboxesNotAvailable {
			t.Fatalf("tag %d: %v", m.Tag, command.Status(m.Code))
		}
	}
	<-sent
	h.alive()
}

func TestTheSameTagTwiceInFlightIsRefused(t *testing.T) {
	h := hello(t, power(t))
	session := setUp(h)
	h.nextTag = 500
	keygen := command.GenerateKeyPairRequest{Mechanism: command.Mechanism{Type: command.MechRSAKeyPairGen}, Public: command.Template{command.AttrModulusBits: uint64(3072)}}
	tag, slow := h.request(command.CodeGenerateKeyPair, session, keygen)
	h.send(append(slow, frames(frame.Message{Type: frame.TypeRequest, Tag: tag, Code: uint32(command.CodeInfo)})...))
	if m := h.receive(); m.Tag != tag || command.Status(m.Code) != command.StatusOperationActive {
		t.Errorf("tag %d: %v", m.Tag, command.Status(m.Code))
	}
	if m := h.receive(); m.Tag != tag || m.Code != 0 {
		t.Errorf("tag %d: %v", m.Tag, command.Status(m.Code))
	}
}

func TestCancelAnswersTheRequestAndChangesNothing(t *testing.T) {
	h := hello(t, power(t))
	session := setUp(h)
	var before, after command.InfoResponse
	h.must(command.CodeInfo, 0, nil, &before)
	keygen := command.GenerateKeyPairRequest{
		Mechanism: command.Mechanism{Type: command.MechRSAKeyPairGen},
		Public:    command.Template{command.AttrModulusBits: uint64(4096), command.AttrToken: true},
		Private:   command.Template{command.AttrToken: true},
	}
	tag, request := h.request(command.CodeGenerateKeyPair, session, keygen)
	h.send(append(request, frames(frame.Message{Type: frame.TypeCancel, Tag: tag})...))
	if m := h.receive(); m.Tag != tag || command.Status(m.Code) != command.StatusFunctionCanceled {
		t.Errorf("tag %d: %v", m.Tag, command.Status(m.Code))
	}
	h.must(command.CodeInfo, 0, nil, &after)
	if after.Objects != before.Objects {
		t.Errorf("%d objects before, %d after", before.Objects, after.Objects)
	}
}

func TestAMessageOf16MiBGoesThereAndBack(t *testing.T) {
	h := hello(t, power(t))
	data := bytes.Repeat([]byte("sixteen mebibyte"), (frame.MaxMessage-16)/16)
	payload, err := command.Marshal(command.Echo{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	splitter := frame.NewSplitter(frame.Message{Type: frame.TypeRequest, Tag: 3, Code: uint32(command.CodeEcho), Payload: payload})
	for done := false; !done; {
		var transfer []byte
		transfer, done = splitter.AppendFrame(nil, frame.MaxTransfer)
		h.send(transfer)
	}
	var got command.Echo
	if err := command.Unmarshal(h.receive().Payload, &got); err != nil || !bytes.Equal(got.Data, data) {
		t.Errorf("%d bytes came back, %v", len(got.Data), err)
	}
}

func TestManyLargeAnswersStayWithinWhatAHostMustHold(t *testing.T) {
	h := hello(t, power(t))
	payload, err := command.Marshal(command.Echo{Data: make([]byte, 15<<20)})
	if err != nil {
		t.Fatal(err)
	}
	const requests = 6
	for tag := uint32(1); tag <= requests; tag++ { // one after the other, none of the answers read
		splitter := frame.NewSplitter(frame.Message{Type: frame.TypeRequest, Tag: tag, Code: uint32(command.CodeEcho), Payload: payload})
		for done := false; !done; {
			var transfer []byte
			transfer, done = splitter.AppendFrame(nil, frame.MaxTransfer)
			h.send(transfer)
		}
	}
	served := 0
	for range requests {
		switch m := h.receive(); command.Status(m.Code) { // a bad frame fails the test
		case command.StatusOK:
			served++
		case command.StatusMailboxesNotAvailable:
		default:
			t.Errorf("tag %d: %v", m.Tag, command.Status(m.Code))
		}
	}
	if served < 2 || served == requests {
		t.Errorf("%d of %d requests of 15 MiB were served at once", served, requests)
	}
	h.alive()
}

func TestEventsComeOverTheInterruptEndpoint(t *testing.T) {
	h := hello(t, power(t))
	setUp(h)
	if e := h.event(); e.Code != command.EventStateChanged {
		t.Errorf("event %+v", e)
	}
}

func TestEventsOfTheHostBeforeAreDropped(t *testing.T) {
	d := power(t)
	first := hello(t, d)
	setUp(first) // several events, none of them read
	first.port.Disconnect()
	second := hello(t, d)
	var admin command.SessionOpenResponse
	second.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: command.SlotAdmin}, &admin)
	second.must(command.CodeLogin, admin.Session, command.LoginRequest{Role: command.RoleSO, Password: []byte("so-password")}, nil)
	second.must(command.CodeHSMZeroize, admin.Session, nil, nil)
	if e := second.event(); e.Code != command.EventZeroized {
		t.Errorf("the first event of the second host: %+v", e)
	}
}

func TestUnreadEventsMakeRoomForNewOnes(t *testing.T) {
	h := hello(t, power(t))
	var admin command.SessionOpenResponse
	h.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: command.SlotAdmin}, &admin)
	h.must(command.CodeHSMInit, admin.Session, command.HSMInitRequest{Label: "x", Password: []byte("so-password")}, nil)
	h.must(command.CodeLogin, admin.Session, command.LoginRequest{Role: command.RoleSO, Password: []byte("so-password")}, nil)
	for range 50 { // two events each
		h.must(command.CodePartitionCreate, admin.Session, nil, nil)
		h.must(command.CodePartitionDelete, admin.Session, nil, nil)
	}
	for i := 0; ; i++ {
		if e := h.event(); e.Code == command.EventEventsDropped {
			return
		}
		if i > 70 {
			t.Fatal("events were dropped, and the host was not told")
		}
	}
}

func TestStateSurvivesAPowerCycle(t *testing.T) {
	image := blank(t)
	first := powerOn(t, image)
	setUp(hello(t, first))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.USB().Connect(); !errors.Is(err, usb.ErrNoDevice) {
		t.Errorf("connect to a device without power: %v", err)
	}
	var info command.InfoResponse
	hello(t, powerOn(t, image)).must(command.CodeInfo, 0, nil, &info)
	if info.State != command.HSMInitialised || info.Partition != command.PartitionInitialised || info.Label != "hsm" {
		t.Errorf("after the power cycle: %+v", info)
	}
}

func TestForeignFlashIsRefusedAndLeftAlone(t *testing.T) {
	image := blank(t)
	const written = 1 << 20
	if err := image.Program(0, bytes.Repeat([]byte("no device"), written/9)); err != nil {
		t.Fatal(err)
	}
	before := image.Clone()
	if _, err := device.New(device.Config{Flash: image}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("error %v", err)
	}
	got, want := make([]byte, written), make([]byte, written)
	if errors.Join(image.Read(0, got), before.Read(0, want)) != nil || !bytes.Equal(got, want) {
		t.Error("the flash was changed")
	}
}

func TestAFullFlashIsSaidAndNothingIsLost(t *testing.T) {
	small := flash.DefaultGeometry()
	small.Blocks = 160
	image, err := flash.NewMemory(small)
	if err != nil {
		t.Fatal(err)
	}
	h := hello(t, powerOn(t, image))
	session := setUp(h)
	request := command.GenerateKeyRequest{
		Mechanism: command.Mechanism{Type: command.MechAESKeyGen},
		Template:  command.Template{command.AttrToken: true, command.AttrValueLen: uint64(32), command.AttrLabel: strings.Repeat("x", 255)},
	}
	var made []command.Handle
	for {
		var key command.ObjectResponse
		status := h.call(command.CodeGenerateKey, session, request, &key)
		if status == command.StatusObjectStorageFull || status == command.StatusHSMStorageFull {
			break
		}
		if status != command.StatusOK || len(made) > 10_000 {
			t.Fatalf("after %d keys: %v", len(made), status)
		}
		made = append(made, key.Object)
	}
	h.alive()
	var info command.InfoResponse
	h.must(command.CodeInfo, 0, nil, &info)
	if int(info.Objects) != len(made) || len(made) < 100 {
		t.Errorf("%d keys acknowledged, %d objects", len(made), info.Objects)
	}
	h.must(command.CodeDestroyObject, session, command.DestroyObjectRequest{Object: made[0]}, nil)
	h.must(command.CodeGenerateKey, session, request, nil)
}

func TestRefusalsOfTheCoreReachTheHost(t *testing.T) {
	h := hello(t, power(t))
	session := setUp(h)
	weak := command.GenerateKeyPairRequest{Mechanism: command.Mechanism{Type: command.MechRSAKeyPairGen}, Public: command.Template{command.AttrModulusBits: uint64(1024)}}
	if status := h.call(command.CodeGenerateKeyPair, session, weak, nil); status != command.StatusKeySizeRange {
		t.Errorf("RSA-1024: %v", status)
	}
	h.must(command.CodeLogout, session, nil, nil)
	wrong := command.LoginRequest{Role: command.RoleCO, Password: []byte("not the password")}
	if status := h.call(command.CodeLogin, session, wrong, nil); status != command.StatusPINIncorrect {
		t.Errorf("wrong password: %v", status)
	}
	h.alive()
}

func TestFrameAndCommandAgreeOnStatuses(t *testing.T) {
	for number, want := range map[uint32]command.Status{
		frame.StatusCommandMalformed:      command.StatusCommandMalformed,
		frame.StatusTransmissionError:     command.StatusTransmissionError,
		frame.StatusDataLenRange:          command.StatusDataLenRange,
		frame.StatusMailboxesNotAvailable: command.StatusMailboxesNotAvailable,
		frame.StatusOperationActive:       command.StatusOperationActive,
		frame.StatusFunctionCanceled:      command.StatusFunctionCanceled,
	} {
		if command.Status(number) != want {
			t.Errorf("%08X in frame, %v in command", number, want)
		}
	}
}

// setUp initialises HSM, partition and CO, and returns a session with the CO
// logged in.
func setUp(h *host) uint32 {
	h.t.Helper()
	var admin, keys command.SessionOpenResponse
	h.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: command.SlotAdmin}, &admin)
	h.must(command.CodeHSMInit, admin.Session, command.HSMInitRequest{
		Label: "hsm", Password: []byte("so-password"), Policies: []command.PolicySetting{{ID: 21, Value: 0}}, // no forced change of first passwords
	}, nil)
	h.must(command.CodeLogin, admin.Session, command.LoginRequest{Role: command.RoleSO, Password: []byte("so-password")}, nil)
	h.must(command.CodePartitionCreate, admin.Session, nil, nil)
	h.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: command.SlotPartition}, &keys)
	h.must(command.CodePartitionInit, keys.Session, command.PartitionInitRequest{Label: "keys", Password: []byte("po-password")}, nil)
	h.must(command.CodeLogin, keys.Session, command.LoginRequest{Role: command.RolePO, Password: []byte("po-password")}, nil)
	h.must(command.CodeRoleInit, keys.Session, command.RoleInitRequest{Role: command.RoleCO, Password: []byte("co-password")}, nil)
	h.must(command.CodeLogout, keys.Session, nil, nil)
	h.must(command.CodeLogin, keys.Session, command.LoginRequest{Role: command.RoleCO, Password: []byte("co-password")}, nil)
	return keys.Session
}

func TestRestartIsAskedForWhenTheAnswerHasLeft(t *testing.T) {
	restarts := make(chan struct{}, 10)
	d, err := device.New(device.Config{Flash: blank(t), Serial: "7000001", Restart: func() { restarts <- struct{}{} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	h := hello(t, d)
	var session command.SessionOpenResponse
	h.must(command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: command.SlotAdmin}, &session)
	if status := h.call(command.CodeHSMRestart, 99, nil, nil); status != command.StatusSessionHandleInvalid {
		t.Errorf("in no session: %v", status)
	}
	h.alive()
	if len(restarts) != 0 {
		t.Fatal("a refused command restarts the device")
	}
	h.must(command.CodeHSMRestart, session.Session, nil, nil)
	select {
	case <-restarts:
	case <-time.After(patience):
		t.Fatal("nobody was asked to restart the device")
	}
	h.alive() // until its owner does
	if len(restarts) != 0 {
		t.Error("asked twice")
	}
}

func TestTamperReachesTheHost(t *testing.T) {
	d := power(t)
	h := hello(t, d)
	if err := d.Tamper(command.TamperChassisOpened); err != nil {
		t.Fatal(err)
	}
	if e := h.event(); e.Code != command.EventTampered || e.Text != "chassis-opened" {
		t.Errorf("event %+v", e)
	}
	if err := d.Tamper(0); err == nil {
		t.Error("a cause that is none was taken")
	}
}
