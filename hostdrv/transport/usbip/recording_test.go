package usbip_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/firmware/record"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hostdrvtest"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/transporttest"
	"usbhsm7/hostdrv/transport/usbip"
	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/capture/tshark"
	"usbhsm7/usbip/replay"
	"usbhsm7/usbip/usb"
)

// newUnit switches a new device on until the test ends. Passwords cost nothing.
func newUnit(t testing.TB) *usb.Device {
	t.Helper()
	return newUnitWith(t, new(peopletest.People))
}

// newUnitWith has people in front of the device.
func newUnitWith(t testing.TB, people hsm.TrustedPath) *usb.Device {
	t.Helper()
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	d, err := device.New(device.Config{Flash: image, Serial: serial, Cost: auth.Quick, Path: people})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("switch the device off: %v", err)
		}
	})
	return d.USB()
}

// export exports a port until the test ends.
func export(t testing.TB, p usb.Port) *usbip.Bus {
	t.Helper()
	return usbip.New(exportOn(t, p, "127.0.0.1:0", nil))
}

// recorder is a capture under way into memory.
type recorder struct {
	tap     *capture.Tap
	capture *capture.Capture
	file    bytes.Buffer // to be read after stop
}

func startRecorder(t testing.TB, h capture.Header) *recorder {
	t.Helper()
	r := &recorder{tap: capture.NewTap()}
	sink, err := capture.NewWriter(&r.file, h)
	if err != nil {
		t.Fatal(err)
	}
	o := capture.Options{MaxQueued: 1 << 30}
	if h.Redacted {
		o.Redact = record.NewRedactor().Redact
	}
	r.capture = r.tap.Start(sink, o)
	return r
}

func (r *recorder) port(d *usb.Device) usb.Port {
	return r.tap.Port(d, capture.Place{Bus: 1, Device: 1, Configurations: d.Descriptors().Configurations})
}

// stop ends the capture and returns the file.
func (r *recorder) stop(t testing.TB) []byte {
	t.Helper()
	if s, err := r.capture.Stop(); err != nil || s.Dropped > 0 || s.Packets == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	return r.file.Bytes()
}

// Wireshark reads, without complaint, all that the tests of transports and of the
// driver make happen on a bus: enumeration, control, bulk and interrupt transfers,
// stalls, cancellations, hosts that vanish and devices that are pulled out.
func TestWiresharkUnderstandsEverythingThatADriverDoes(t *testing.T) {
	t.Parallel()
	const head = 64 + 200 // bytes to keep of a packet: some tests send 16 MiB
	r := startRecorder(t, capture.Header{Snap: head})
	t.Run("transport", func(t *testing.T) {
		transporttest.Run(t, func(t *testing.T) transporttest.Target {
			d := newUnit(t)
			return target(d, export(t, r.port(d)))
		})
	})
	t.Run("driver", func(t *testing.T) {
		hostdrvtest.Run(t, func(t *testing.T) hostdrvtest.Target {
			d := newUnit(t)
			return hostdrvtest.Target{Bus: export(t, r.port(d)), Unplug: d.Unplug, Plug: d.Plug, Attended: true}
		})
	})
	d := newUnit(t)
	stall(t, d, export(t, r.port(d)))
	file := r.stop(t)
	if bad := tshark.Complaints(t, file); len(bad) > 0 {
		t.Errorf("Wireshark dislikes %d packets, such as\n%s", len(bad), strings.Join(bad[:min(10, len(bad))], "\n"))
	}
	compareFields(t, file)
}

// stall halts the endpoint to which the driver writes; the driver clears that.
func stall(t *testing.T, d *usb.Device, bus *usbip.Bus) {
	t.Helper()
	link, err := bus.Open(t.Context(), transport.Selector{})
	must(t, err)
	defer link.Close()
	const bulkOut = 0x01
	d.Out(bulkOut).Halt()
	if err := link.Write(t.Context(), []byte("x")); !errors.Is(err, transport.ErrHalted) {
		t.Errorf("write to a halted endpoint: %v", err)
	}
}

// compareFields checks that Wireshark reads what a Reader reads, and that the
// capture has all that it should be about.
func compareFields(t *testing.T, file []byte) {
	t.Helper()
	rows := tshark.Fields(t, file, []string{
		"usb.urb_id", "usb.urb_type", "usb.endpoint_address", "usb.urb_status", "usb.urb_len", "usb.transfer_type", "frame.len",
	})
	packets, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, row := range rows {
		p, err := packets.Next()
		if err != nil {
			t.Fatalf("Wireshark reads %d packets, but after %d: %v", len(rows), i, err)
		}
		want := []string{
			fmt.Sprintf("0x%016x", p.ID), fmt.Sprintf("'%c'", p.Event), fmt.Sprintf("0x%02x", p.Endpoint),
			strconv.Itoa(int(p.Status)), strconv.Itoa(p.Length),
		}
		if !slices.Equal(row[:5], want) {
			t.Fatalf("packet %d: Wireshark reads %q, written was %q", i+1, row, want)
		}
		seen[p.Status.String()], seen["type "+row[5]] = true, true
	}
	if _, err := packets.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last packet that Wireshark reads: %v", err)
	}
	for _, status := range []usb.Status{usb.OK, usb.EPIPE, usb.ECONNRESET, usb.ESHUTDOWN} {
		if !seen[status.String()] {
			t.Errorf("no URB ended with %v", status)
		}
	}
	for _, kind := range []string{"0x01", "0x02", "0x03"} {
		if !seen["type "+kind] {
			t.Errorf("there is no transfer of type %s", kind)
		}
	}
}

// Canaries stand for what nobody but the caller and the device may know.
var canaries = map[string]string{
	"SO password": "so-kd93Xq7vTz1m", "domain": "dom-Wb5Rf8LpHs2N", "PO password": "po-cYg6Jt0EuA4x",
	"CO password": "co-Zi7Qe3SdVw9k", "new password": "nw-Mo8Bn2FrGy5h", "wrong password": "wr-Ul4Ca6DjPx1t",
	"label": "lb-Ks0Ie7TzYq3w", "echo": "ec-Rv5Hm9LfXb2d", "message": "ms-Ou1Nj8GcEp6s", "plaintext": "pt-Ay3Wk7QtZx0r",
}

func canary(name string) []byte { return []byte(canaries[name]) }

// talkOfSecrets uses every canary, and returns what the device computed from them.
func talkOfSecrets(t *testing.T, bus *usbip.Bus) map[string][]byte {
	t.Helper()
	ctx := t.Context()
	dev, err := hostdrv.Dial(ctx, bus, transport.Selector{}, hostdrv.Options{})
	must(t, err)
	defer dev.Close()
	_, err = dev.Echo(ctx, bytes.Repeat(canary("echo"), 10_000)) // several frames and URBs
	must(t, err)
	admin, err := dev.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	must(t, err)
	must(t, admin.InitHSM(ctx, command.HSMInitRequest{
		Label: "demo", Password: canary("SO password"), Domain: canary("domain"), Policies: []command.PolicySetting{{ID: 21, Value: 0}},
	}))
	if err := admin.Login(ctx, command.RoleSO, canary("wrong password")); err == nil {
		t.Error("a wrong password was accepted")
	}
	must(t, admin.Login(ctx, command.RoleSO, canary("SO password")))
	must(t, admin.CreatePartition(ctx))
	s, err := dev.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
	must(t, err)
	must(t, s.InitPartition(ctx, command.PartitionInitRequest{Label: "keys", Password: canary("PO password")}))
	must(t, s.Login(ctx, command.RolePO, canary("PO password")))
	must(t, s.InitRole(ctx, command.RoleCO, canary("CO password")))
	must(t, s.Logout(ctx))
	must(t, s.Login(ctx, command.RoleCO, canary("CO password")))
	must(t, s.ChangePassword(ctx, canary("CO password"), canary("new password")))
	return useKeys(t, s)
}

// useKeys lets a Crypto Officer make and use keys.
func useKeys(t *testing.T, s *hostdrv.Session) map[string][]byte {
	t.Helper()
	ctx := t.Context()
	key, err := s.GenerateKey(ctx, command.Mechanism{Type: command.MechAESKeyGen}, command.Template{
		command.AttrLabel: canaries["label"], command.AttrValueLen: uint64(32),
		command.AttrEncrypt: true, command.AttrDecrypt: true,
	})
	must(t, err)
	attributes, err := s.Attributes(ctx, key, command.AttrLabel)
	must(t, err)
	if attributes.Text(command.AttrLabel) != canaries["label"] {
		t.Errorf("the label is %q", attributes.Text(command.AttrLabel))
	}
	sealed, err := s.Encrypt(ctx, command.Mechanism{Type: command.MechAESGCM}, key, canary("plaintext"))
	must(t, err)
	opened, err := s.Decrypt(ctx, command.Mechanism{Type: command.MechAESGCM, IV: sealed.IV}, key, sealed.Data)
	must(t, err)
	if !bytes.Equal(opened, canary("plaintext")) {
		t.Error("decryption does not return what was encrypted")
	}
	digest, err := s.Digest(ctx, command.MechSHA256, canary("message"))
	must(t, err)
	if want := sha256.Sum256(canary("message")); !bytes.Equal(digest, want[:]) {
		t.Error("the digest is wrong")
	}
	random, err := s.Random(ctx, 64)
	must(t, err)
	return map[string][]byte{"ciphertext": sealed.Data, "digest": digest, "random": random}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// No part of a secret is in a capture, on either side, unless it is wanted there:
// then all of them are.
func TestCaptureOfASessionHoldsNoSecret(t *testing.T) {
	for _, redacted := range []bool{true, false} {
		ours, theirs := startRecorder(t, capture.Header{Redacted: redacted}), startRecorder(t, capture.Header{Redacted: redacted})
		bus := export(t, ours.port(newUnit(t)))
		bus.Watch(theirs.tap)
		secrets := talkOfSecrets(t, bus)
		for name := range canaries {
			secrets[name] = canary(name)
		}
		for side, file := range map[string][]byte{"device": ours.stop(t), "host": theirs.stop(t)} {
			for name, secret := range secrets {
				if holds := holdsPart(file, secret); holds == redacted {
					t.Errorf("redacted %v: the capture of the %s has (%v) a part of the %s, %s", redacted, side, holds, name, hex.EncodeToString(secret))
				}
			}
		}
	}
}

// holdsPart reports whether five bytes in a row of secret are in file.
func holdsPart(file, secret []byte) bool {
	const part = 5
	for i := range len(secret) - part + 1 {
		if bytes.Contains(file, secret[i:i+part]) {
			return true
		}
	}
	return false
}

// The driver cannot tell the recording of a device from the device: tags and the
// name of the client differ from run to run, and everything else is the same.
func TestDriverFollowsItsOwnRecording(t *testing.T) {
	r := startRecorder(t, capture.Header{})
	want := talkOfSecrets(t, export(t, r.port(newUnit(t))))
	file := r.stop(t)

	replayed := newReplay(t, file)
	got := talkOfSecrets(t, export(t, replayed))
	for name, value := range want {
		if !bytes.Equal(got[name], value) {
			t.Errorf("%s: % x, recorded was % x", name, got[name], value)
		}
	}
	<-replayed.Done()
	if report := replayed.Report(); !report.Followed || report.Divergence != nil {
		t.Errorf("report %+v", report)
	}
}

func newReplay(t *testing.T, file []byte) *replay.Device {
	t.Helper()
	packets, err := capture.NewReader(bytes.NewReader(file))
	must(t, err)
	recorded, err := replay.Load(packets, replay.Options{})
	must(t, err)
	return replay.New(recorded, record.NewRule(recorded.Redacted()))
}

// A driver that does something else is told to be off, and the report shows the
// first byte that tells its request from the recorded one.
func TestDriverThatLeavesTheRecordingIsReported(t *testing.T) {
	r := startRecorder(t, capture.Header{})
	inform := func(bus *usbip.Bus, code func(context.Context, *hostdrv.Device) error) error {
		dev, err := hostdrv.Dial(t.Context(), bus, transport.Selector{}, hostdrv.Options{Client: "another name"})
		must(t, err)
		defer dev.Close()
		return code(t.Context(), dev)
	}
	info := func(ctx context.Context, d *hostdrv.Device) error { _, err := d.Info(ctx); return err }
	mechanisms := func(ctx context.Context, d *hostdrv.Device) error { _, err := d.Mechanisms(ctx); return err }
	must(t, inform(export(t, r.port(newUnit(t))), info))
	replayed := newReplay(t, r.stop(t))
	if err := inform(export(t, replayed), mechanisms); !errors.Is(err, transport.ErrDisconnected) {
		t.Errorf("the driver's error: %v", err)
	}
	<-replayed.Done()
	const codeAt = 16 // in the header of a frame
	v := replayed.Report().Divergence
	if v == nil || v.Byte != codeAt || v.Packet == 0 || !strings.Contains(v.Diff, "recorded 000010: 01") || !strings.Contains(v.Diff, "came     000010: 03\n") {
		t.Errorf("reported %+v", v)
	}
}
