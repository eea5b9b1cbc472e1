package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/control"
	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/ceremony"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/usbip"
	"usbhsm7/ikey"
	"usbhsm7/ikey/ring"
	"usbhsm7/ikey/share"
)

// canaryPIN is long enough never to be met by chance.
const canaryPIN = "735190462817350"

// partOfSecret is how many bytes of a secret in a row are no chance.
const partOfSecret = 7

// custodians set a device up: the HSM SO has two keys of three, with PINs.
const custodians = `
key so-1 blue
key so-2 blue
key so-3 blue
key po blue
key co black
key domain red
when create/reuse "Domain of “keys”": yes
when create/reuse: no
when create/m "HSM Security Officer": number 2
when create/n "HSM Security Officer": number 3
when create/m: number 1
when create/n: number 1
when write/insert "iKey 1 of 3 for the HSM": insert so-1
when write/insert "iKey 2 of 3 for the HSM": insert so-2
when write/insert "iKey 3 of 3 for the HSM": insert so-3
when write/insert "Partition Security Officer": insert po
when write/insert "Crypto Officer": insert co
when write/insert "Domain": insert domain
when write/blank: yes
once write/pin: type 735190462817350
once write/confirm-pin: type 735190462817350
when write/pin: ok
when create/duplicate: no
when present/insert "HSM Security Officer": insert so-1
when present/next "HSM Security Officer": insert so-3
when read/pin: type 735190462817350
when present/insert "Partition Security Officer": insert po
when present/insert "Crypto Officer": insert co
when present/insert "Domain": insert domain
when reveal: ok
`

// TestNoSecretOfTheTrustedPathLeavesTheDevice has a device made and used with
// iKeys, and looks for their shares, for what they open, for a PIN and for a
// challenge secret in all that leaves it: the bus, the log, the flash and a snapshot
// of it, what a web page of the screen is sent, what a script says that does not know
// the screen with the secret, and the memory of a host that waits for people. The page
// shows challenge secrets; of everything else it has no part either.
func TestNoSecretOfTheTrustedPathLeavesTheDevice(t *testing.T) {
	dir := t.TempDir()
	state, recording := filepath.Join(dir, "state"), filepath.Join(dir, "bus.pcapng")
	f := powerOn(t, buildFirmware(t), "--state-dir", state, "--capture", recording, "--capture-with-secrets", "--log-level", "debug", "--log-format", "json", "--screen", "127.0.0.1:0")
	simulator := control.NewClient(filepath.Join(state, "control.sock"))
	web := watchPage(t, simulator)
	challenge := setUpByCustodians(t, f, simulator)
	memory, second := memoryOfHost(t, f, simulator)
	complaint, third := complaintOfScript(t, f, simulator)
	var snapshot bytes.Buffer
	if err := simulator.Snapshot(t.Context(), &snapshot); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	secrets := secretsOf(t, filepath.Join(state, "ikeys"), 6)
	secrets["the PIN"] = []byte(canaryPIN)
	page := web()
	lookFor(t, secrets, map[string][]byte{"traffic of the page": page})
	secrets["the challenge secret"], secrets["the next one"], secrets["the third"] = []byte(challenge), []byte(second), []byte(third)
	lookFor(t, secrets, map[string][]byte{
		"log": f.stderr.Bytes(), "recording of the bus": readFile(t, recording), "flash": readFile(t, filepath.Join(state, "flash.bin")),
		"memory of the host": memory, "snapshot": snapshot.Bytes(), "complaint of a script": []byte(complaint),
	})
	if !bytes.Contains(memory, []byte("canary-argument")) || !bytes.Contains(readFile(t, recording), []byte("canary-label")) ||
		!strings.Contains(f.stderr.String(), "device ready") || !bytes.Contains(page, []byte("canary-label")) || !bytes.Contains(page, []byte(second)) || !strings.Contains(complaint, "reveal") {
		t.Error("what is looked through is not the session")
	}
}

// lookFor looks for parts of secrets in what left the device, as they are and in
// hexadecimal.
func lookFor(t *testing.T, secrets, left map[string][]byte) {
	t.Helper()
	for where, content := range left {
		if len(content) == 0 {
			t.Errorf("there is no %s", where)
		}
		for name, secret := range secrets {
			for part := range slices.Chunk(secret, partOfSecret) {
				if len(part) == partOfSecret && (bytes.Contains(content, part) || bytes.Contains(content, fmt.Appendf(nil, "%x", part))) {
					t.Errorf("the %s holds a part of %s", where, name)
				}
			}
		}
	}
}

// watchPage opens the page of the screen as a browser does. The function that it
// returns waits until the page is closed, and returns all that it was sent.
func watchPage(t *testing.T, simulator *control.Client) (sent func() []byte) {
	t.Helper()
	status, err := simulator.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address, token, _ := strings.Cut(status.Screen, "#")
	socket, _, err := websocket.Dial(t.Context(), address+"screen", &websocket.DialOptions{Subprotocols: []string{"usbhsm7.screen.1", "token." + token}})
	if err != nil {
		t.Fatal(err)
	}
	socket.SetReadLimit(1 << 20)
	all := make(chan []byte, 1)
	go func() {
		var read []byte
		for {
			_, message, err := socket.Read(t.Context())
			if err != nil {
				all <- read
				return
			}
			read = append(read, message...)
		}
	}()
	return func() []byte { return <-all }
}

// complaintOfScript has a challenge secret made in front of somebody who does not
// know the screen that reveals it, and returns what they say, and the secret.
func complaintOfScript(t *testing.T, f *firmware, simulator *control.Client) (complaint, challenge string) {
	t.Helper()
	script, err := person.Parse(strings.Replace(custodians, "when reveal: ok", "", 1), dialogue.Screens())
	if err != nil {
		t.Fatal(err)
	}
	hands := ceremony.NewHands(simulator)
	hands.Seen = func(s person.Seen) {
		if s.ID == "reveal" {
			challenge = s.Text[len(s.Text)-1]
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- challengeOfCO(ctx, f) }()
	err = (&person.Person{Script: script, Hands: hands}).Attend(ctx)
	if !errors.Is(err, person.ErrUnexpected) {
		t.Fatalf("the person left: %v", err)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the host did not wait for people")
	}
	return err.Error(), challenge
}

// challengeOfCO has the Crypto Officer given another challenge secret.
func challengeOfCO(ctx context.Context, f *firmware) error {
	d, err := hostdrv.Dial(ctx, usbip.New(f.address), transport.Selector{}, hostdrv.Options{})
	if err != nil {
		return err
	}
	defer d.Close()
	keys, err := d.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
	if err == nil {
		err = keys.Login(ctx, command.RolePO, nil)
	}
	if err != nil {
		return err
	}
	return keys.CreateChallenge(ctx, command.RoleCO, nil)
}

// memoryOfHost has hsm7 make another challenge secret of the Crypto Officer, as the
// Partition SO, and returns all that is in its memory while the screen reveals that.
func memoryOfHost(t *testing.T, f *firmware, simulator *control.Client) (memory []byte, challenge string) {
	t.Helper()
	hsm7 := exec.CommandContext(t.Context(), filepath.Join(programs(t), "hsm7"), "--usbip", f.address, "--wait", "1s", "role", "challenge", "co")
	hsm7.Env = append(os.Environ(), "UNUSED=canary-argument")
	script, err := person.Parse(strings.Replace(custodians, "when reveal: ok", "when reveal: wait", 1), dialogue.Screens())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hands := ceremony.NewHands(simulator)
	hands.Seen = func(s person.Seen) {
		if s.ID == "reveal" {
			memory, challenge = memoryOf(t, hsm7.Process.Pid), s.Text[len(s.Text)-1]
			cancel()
		}
	}
	if err := hsm7.Start(); err != nil {
		t.Fatal(err)
	}
	if err := (&person.Person{Script: script, Hands: hands}).Attend(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the person left: %v", err)
	}
	if err := errors.Join(hsm7.Process.Signal(os.Interrupt), hsm7.Wait()); err == nil {
		t.Error("hsm7 did not wait for people")
	}
	return memory, challenge
}

// memoryOf returns what a process has in memory and may have written to: what a
// core dump of it holds.
func memoryOf(t *testing.T, pid int) (all []byte) {
	t.Helper()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for line := range strings.Lines(string(readFile(t, fmt.Sprintf("/proc/%d/maps", pid)))) {
		var from, to uint64
		var permitted string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &permitted); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(permitted, "rw") {
			continue
		}
		if all, err = appendWritten(all, io.NewSectionReader(memory, int64(from), int64(to-from))); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return all
}

// appendWritten appends the pages of memory that somebody has written to, which is
// next to nothing of the gigabytes that the race detector reserves.
func appendWritten(all []byte, memory io.Reader) ([]byte, error) {
	page, zeros := make([]byte, os.Getpagesize()), make([]byte, os.Getpagesize())
	for pages := bufio.NewReaderSize(memory, 1<<20); ; {
		if _, err := io.ReadFull(pages, page); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if !bytes.Equal(page, zeros) {
			all = append(all, page...)
		}
	}
}

// setUpByCustodians initialises everything with iKeys, and returns the challenge
// secret of the Crypto Officer, which the screen revealed.
func setUpByCustodians(t *testing.T, f *firmware, simulator *control.Client) (challenge string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	script, err := person.Parse(custodians, dialogue.Screens())
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	hands := ceremony.NewHands(simulator)
	hands.Seen = func(s person.Seen) {
		if s.ID == "reveal" {
			challenge = s.Text[len(s.Text)-1]
		}
	}
	go func() { left <- (&person.Person{Script: script, Hands: hands}).Attend(ctx) }()
	useWithKeys(t, f)
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("the person left: %v", err)
	}
	if len(challenge) < 8 {
		t.Errorf("the challenge secret %q is short", challenge)
	}
	return challenge
}

// useWithKeys sets the HSM, its partition and its roles up, logs each in, and makes
// a key.
func useWithKeys(t *testing.T, f *firmware) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := hostdrv.Dial(ctx, usbip.New(f.address), transport.Selector{}, hostdrv.Options{})
	must(err)
	defer d.Close()
	admin := session(t, d, command.SlotAdmin)
	must(admin.InitHSM(ctx, command.HSMInitRequest{Label: "canary-label", Method: command.AuthQuorum}))
	must(admin.Login(ctx, command.RoleSO, nil))
	must(admin.CreatePartition(ctx))
	keys := session(t, d, command.SlotPartition)
	must(keys.InitPartition(ctx, command.PartitionInitRequest{Label: "keys"}))
	must(keys.Login(ctx, command.RolePO, nil))
	must(keys.InitRole(ctx, command.RoleCO, nil))
	must(keys.CreateChallenge(ctx, command.RoleCO, nil))
	must(keys.Logout(ctx))
}

// secretsOf reads the shares from all iKeys of a folder, so many, and opens what they open.
func secretsOf(t *testing.T, folder string, count int) map[string][]byte {
	t.Helper()
	port := ikey.NewPort()
	keys, err := ring.Open(folder, port, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	all, err := keys.Keys()
	if err != nil || len(all) != count {
		t.Fatalf("there are the keys %+v, %v", all, err)
	}
	sets, secrets := map[ikey.Set][]ikey.Contents{}, map[string][]byte{}
	for _, k := range all {
		if err := keys.Insert(k.Name); err != nil {
			t.Fatal(err)
		}
		contents, err := ikey.NewReader(port).Read(t.Context(), []byte(canaryPIN))
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		secrets["the share of "+k.Name] = contents.Share
		sets[contents.Set] = append(sets[contents.Set], contents)
		if err := keys.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	for _, set := range sets {
		secret, err := share.Open(set)
		if err != nil {
			t.Fatal(err)
		}
		secrets[fmt.Sprintf("what the keyset of kind %d with %d keys opens", set[0].Kind, len(set))] = secret
	}
	return secrets
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestASeedAndPeopleGiveTheSameKeyFiles has the same people set two devices of one
// seed up: all that is in their folders of iKeys is the same, salts of PINs included.
func TestASeedAndPeopleGiveTheSameKeyFiles(t *testing.T) {
	binary, files := buildFirmware(t), [2]map[string]string{}
	for i := range files {
		state := filepath.Join(t.TempDir(), "state")
		f := powerOn(t, binary, "--state-dir", state, "--seed", "42")
		setUpByCustodians(t, f, control.NewClient(filepath.Join(state, "control.sock")))
		if err := errors.Join(f.cmd.Process.Signal(syscall.SIGTERM), f.cmd.Wait()); err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(state, "ikeys")
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = map[string]string{}
		for _, e := range entries {
			files[i][e.Name()] = string(readFile(t, filepath.Join(folder, e.Name())))
		}
	}
	if len(files[0]) != 7 {
		t.Errorf("%d files, want six iKeys and their stickers", len(files[0]))
	}
	if !maps.Equal(files[0], files[1]) {
		for name, content := range files[0] {
			if files[1][name] != content {
				t.Errorf("%s is %x, and then %x", name, content, files[1][name])
			}
		}
	}
}
