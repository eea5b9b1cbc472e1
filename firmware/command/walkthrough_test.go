package command_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
)

// step is one message of the worked example.
type step struct {
	title   string
	message frame.Message
	payload any
}

const exampleSession = 1

func request(tag uint32, code command.Code, session uint32, payload any) step {
	return step{
		title:   "REQUEST " + code.String(),
		message: frame.Message{Type: frame.TypeRequest, Tag: tag, Session: session, Code: uint32(code)},
		payload: payload,
	}
}

func response(to step, payload any) step {
	m := to.message
	m.Type, m.Code = frame.TypeResponse, uint32(command.StatusOK)
	return step{"RESPONSE to " + strings.TrimPrefix(to.title, "REQUEST "), m, payload}
}

// walkthrough is the worked example: from HELLO to a signature.
func walkthrough(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for i, s := range exampleSteps(t) {
		transfer := s.transfer(t)
		direction := "Host to device, bulk OUT"
		if i%2 == 1 {
			direction = "Device to host, bulk IN"
		}
		fmt.Fprintf(&b, "%s, %d bytes: %s\n\n```\n%s```\n\n", direction, len(transfer), s.title, dump(t, transfer))
	}
	return b.String()
}

func exampleSteps(t *testing.T) []step {
	t.Helper()
	hello := step{
		"HELLO",
		frame.Message{Type: frame.TypeHello, Tag: 0x5EED0001},
		&command.HelloRequest{MinVersion: 1, MaxVersion: 1, Client: "example"},
	}
	open := request(0x5EED0002, command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: command.SlotPartition})
	login := request(0x5EED0003, command.CodeLogin, exampleSession,
		&command.LoginRequest{Role: command.RoleCO, Password: []byte("userpin1")})
	generate := request(0x5EED0004, command.CodeGenerateKeyPair, exampleSession, &command.GenerateKeyPairRequest{
		Mechanism: command.Mechanism{Type: command.MechECKeyPairGen},
		Public: command.Template{
			command.AttrECParams: []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07},
			command.AttrToken:    true,
		},
		Private: command.Template{command.AttrToken: true, command.AttrLabel: "example"},
	})
	sign := request(0x5EED0005, command.CodeSign, exampleSession, &command.SignRequest{
		Mechanism: command.Mechanism{Type: command.MechECDSASHA256}, Key: 2, Data: []byte("sample"),
	})
	leave := request(0x5EED0006, command.CodeSessionClose, exampleSession, nil)
	return []step{
		hello,
		{"HELLO, the answer", hello.message, capabilities()},
		open, response(open, &command.SessionOpenResponse{Session: exampleSession}),
		login, response(login, nil),
		generate, response(generate, &command.KeyPairResponse{Public: 1, Private: 2}),
		sign, response(sign, &command.SignResponse{Signature: exampleSignature(t)}),
		leave, response(leave, nil),
	}
}

func capabilities() *command.HelloResponse {
	r := &command.HelloResponse{
		Version: 1, MaxMessage: frame.MaxMessage, MaxTransfer: frame.MaxTransfer, MaxInFlight: frame.MaxInFlight,
		Model: "USB HSM 7 Simulator", Serial: "71234567", Firmware: "7.9.2",
	}
	for _, row := range command.Rows {
		r.Commands = append(r.Commands, row.Code)
	}
	return r
}

// exampleSignature is that of RFC 6979, appendix A.2.5: curve P-256, SHA-256,
// message "sample".
func exampleSignature(t *testing.T) []byte {
	t.Helper()
	unhex := func(s string) []byte {
		p, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), unhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"))
	if err != nil {
		t.Fatal(err)
	}
	want := append(unhex("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"),
		unhex("F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8")...)
	digest := sha256.Sum256([]byte("sample"))
	r, s := new(big.Int).SetBytes(want[:32]), new(big.Int).SetBytes(want[32:])
	if !ecdsa.Verify(&key.PublicKey, digest[:], r, s) {
		t.Fatal("the signature of the example does not verify")
	}
	if der, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil || !bytes.Contains(der, want[:32]) {
		t.Fatalf("the signature of the example is not deterministic: %v", err)
	}
	return want
}

// transfer returns the step's one frame.
func (s step) transfer(t *testing.T) []byte {
	t.Helper()
	payload, err := command.Marshal(s.payload)
	if err != nil {
		t.Fatal(err)
	}
	s.message.Payload = payload
	p, done := frame.NewSplitter(s.message).AppendFrame(nil, frame.MaxTransfer)
	if !done {
		t.Fatalf("%s does not fit one frame", s.title)
	}
	return p
}

// dump shows a frame: the header in two lines with its fields, the payload in
// lines of sixteen bytes, and what the payload means.
func dump(t *testing.T, p []byte) string {
	t.Helper()
	h, err := frame.ParseHeader(p)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-48s  magic, version %d, %v, first and last, tag %08X, session %d\n", spaced(p[:16]), h.Version, h.Type, h.Tag, h.Session)
	fmt.Fprintf(&b, "%-48s  code %X, length %d, total %d, check\n", spaced(p[16:32]), h.Code, h.Length, h.Total)
	payload := p[frame.HeaderSize:]
	if len(payload) == 0 {
		return b.String()
	}
	for rest := payload; len(rest) > 0; rest = rest[min(16, len(rest)):] {
		fmt.Fprintf(&b, "%s\n", spaced(rest[:min(16, len(rest))]))
	}
	means, err := cbor.Diagnose(payload)
	if err != nil {
		t.Fatal(err)
	}
	return b.String() + "= " + means + "\n"
}

// spaced returns hexadecimal bytes apart by spaces, with a wider gap at eight.
func spaced(p []byte) string {
	if len(p) > 8 {
		return fmt.Sprintf("% X  % X", p[:8], p[8:])
	}
	return fmt.Sprintf("% X", p)
}
