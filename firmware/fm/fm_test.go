package fm_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/fm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a host that answers from what it is given.
type desk struct {
	mu      sync.Mutex
	answers map[command.Code]func(request any) (any, error)
	asked   []any
	lines   []string
}

func (d *desk) Ask(code command.Code, request any) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.asked) < 100 {
		d.asked = append(d.asked, copied(request))
	}
	if answer, ok := d.answers[code]; ok {
		return answer(request)
	}
	switch r := request.(type) {
	case *command.RandomRequest:
		return &command.RandomResponse{Data: bytes.Repeat([]byte{9}, int(r.Length))}, nil
	case *command.DigestRequest:
		sum := sha256.Sum256(r.Data)
		return &command.DigestResponse{Digest: sum[:]}, nil
	case nil:
		return &command.InfoResponse{Firmware: "7.9.2"}, nil
	}
	return nil, command.StatusUserNotLoggedIn.With("not here", "")
}

// copied returns a request whose data is not the module's memory any more.
func copied(request any) any {
	switch r := request.(type) {
	case *command.SignRequest:
		c := *r
		c.Data = bytes.Clone(r.Data)
		return &c
	case *command.VerifyRequest:
		c := *r
		c.Data, c.Signature = bytes.Clone(r.Data), bytes.Clone(r.Signature)
		return &c
	case *command.CipherRequest:
		c := *r
		c.Data, c.Mechanism.IV = bytes.Clone(r.Data), bytes.Clone(r.Mechanism.IV)
		return &c
	}
	return request
}

func (d *desk) Log(line string) error {
	d.lines = append(d.lines, line)
	return nil
}

func module(t testing.TB, name string) []byte {
	t.Helper()
	code, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// engine has so much time that no test runs out of it on a busy machine.
func engine(t testing.TB) *fm.Engine { return hurried(t, time.Minute) }

// hurried has little time.
func hurried(t testing.TB, most time.Duration) *fm.Engine {
	t.Helper()
	limits := fm.Standard()
	limits.Time = most
	e := fm.New(limits)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestModuleThatUsesTooMuchIsStopped(t *testing.T) {
	patient, impatient, code := engine(t), hurried(t, 100*time.Millisecond), module(t, "hostile")
	for _, c := range []struct {
		function string
		status   command.Status
		says     string
	}{
		{"spin", command.StatusTimeout, "more than 100ms"},
		{"double", command.StatusTimeout, "more than 100ms"},
		{"dive", command.StatusNotEnoughMemory, "more than 256 functions"},
		{"load", command.StatusCancel, "out of bounds memory access"},
		{"take", command.StatusCancel, "out of bounds memory access"},
		{"put", command.StatusCancel, "out of bounds memory access"},
		{"input", command.StatusCancel, "out of bounds memory access"},
		{"flood", command.StatusBufferTooSmall, "more than 1048576 bytes"},
		{"ask", command.StatusOperationRestricted, "more than 4096 times"},
		{"chatter", command.StatusDataLenRange, "more than 1024 bytes"},
		{"fail", command.StatusCancel, "unreachable"},
		{"refuse", command.StatusCancel, "ended with 7"},
		{"parameters", command.StatusFMIDInvalid, `no function "parameters"`},
		{"nothing", command.StatusFMIDInvalid, `no function "nothing"`},
	} {
		t.Run(c.function, func(t *testing.T) {
			e := patient
			if c.status == command.StatusTimeout {
				e = impatient
			}
			output, err := e.Call(t.Context(), code, c.function, nil, new(desk))
			if !errors.Is(err, c.status) || !strings.Contains(err.Error(), c.says) || output != nil {
				t.Fatalf("%x, %v; want %v, %q", output, err, c.status, c.says)
			}
			if got, err := patient.Call(t.Context(), module(t, "calls"), "version", nil, new(desk)); err != nil || string(got[8:]) != "7.9.2" {
				t.Errorf("the next call: %q, %v", got, err)
			}
		})
	}
}

func TestModuleGetsNoMoreMemoryThanItMay(t *testing.T) {
	output, err := engine(t).Call(t.Context(), module(t, "hostile"), "grow", nil, new(desk))
	if err != nil || binary.LittleEndian.Uint32(output) != fm.Standard().Pages {
		t.Errorf("%x, %v", output, err)
	}
}

func TestModuleRemembersNothing(t *testing.T) {
	e := engine(t)
	for range 3 {
		output, err := e.Call(t.Context(), module(t, "hostile"), "remember", nil, new(desk))
		if err != nil || !bytes.Equal(output, make([]byte, 4)) {
			t.Errorf("%x, %v", output, err)
		}
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := engine(t).Call(ctx, module(t, "hostile"), "spin", nil, new(desk)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// results cuts an output of the module calls: numbers of 8 bytes, each followed by
// so many bytes.
func results(t *testing.T, output []byte, bytes ...int) (numbers []int64, parts []string) {
	t.Helper()
	for _, n := range bytes {
		if len(output) < 8+n {
			t.Fatalf("%d bytes left of the output, not %d", len(output), 8+n)
		}
		numbers = append(numbers, int64(binary.LittleEndian.Uint64(output)))
		parts = append(parts, string(output[8:8+n]))
		output = output[8+n:]
	}
	if len(output) > 0 {
		t.Fatalf("%d bytes are left of the output", len(output))
	}
	return numbers, parts
}

func TestModuleAsksTheDevice(t *testing.T) {
	sum := sha256.Sum256([]byte("abc"))
	tooSmall, notFound := -int64(command.StatusBufferTooSmall), -int64(command.StatusObjectHandleInvalid)
	found := func(handles ...command.Handle) map[command.Code]func(any) (any, error) {
		return map[command.Code]func(any) (any, error){
			command.CodeFindObjects: func(any) (any, error) { return &command.FindObjectsResponse{Objects: handles}, nil },
		}
	}
	for _, c := range []struct {
		function string
		answers  map[command.Code]func(any) (any, error)
		bytes    []int // after each number
		numbers  []int64
		parts    []string
	}{
		{"echo", nil, []int{0, 5}, []int64{7, 5}, []string{"", "input"}},
		{"version", nil, []int{5}, []int64{5}, []string{"7.9.2"}},
		{"short", nil, []int{0}, []int64{tooSmall}, []string{""}},
		{"log", nil, []int{0, 0}, []int64{0, 0}, []string{"", ""}},
		{"random", nil, []int{32}, []int64{32}, []string{strings.Repeat("\x09", 32)}},
		{"digest", nil, []int{32}, []int64{32}, []string{string(sum[:])}},
		{"find", found(), []int{0}, []int64{notFound}, []string{""}},
		{"find", found(17), []int{0}, []int64{17}, []string{""}},
		{"find", found(17, 18), []int{0}, []int64{notFound}, []string{""}},
		{"find", nil, []int{0}, []int64{-int64(command.StatusUserNotLoggedIn)}, []string{""}},
	} {
		t.Run(c.function, func(t *testing.T) {
			output, err := engine(t).Call(t.Context(), module(t, "calls"), c.function, []byte("myinput"), &desk{answers: c.answers})
			if err != nil {
				t.Fatal(err)
			}
			numbers, parts := results(t, output, c.bytes...)
			if !slices.Equal(numbers, c.numbers) || !slices.Equal(parts, c.parts) {
				t.Errorf("%d %q", numbers, parts)
			}
		})
	}
}

// obliging has one key, and does with it what it is asked to.
func obliging() *desk {
	cipher := func(any) (any, error) { return &command.CipherResponse{Data: []byte("data"), IV: []byte("iv")}, nil }
	return &desk{answers: map[command.Code]func(any) (any, error){
		command.CodeFindObjects: func(any) (any, error) { return &command.FindObjectsResponse{Objects: []command.Handle{17}}, nil },
		command.CodeSign:        func(any) (any, error) { return &command.SignResponse{Signature: []byte("signature")}, nil },
		command.CodeVerify:      func(any) (any, error) { return nil, nil },
		command.CodeEncrypt:     cipher,
		command.CodeDecrypt:     cipher,
	}}
}

func TestDeviceIsAskedWhatTheModuleSays(t *testing.T) {
	e, d := engine(t), obliging()
	for _, function := range []string{"find", "mac", "cbc", "log"} {
		if _, err := e.Call(t.Context(), module(t, "calls"), function, []byte("label"), d); err != nil {
			t.Fatal(err)
		}
	}
	abc, cbc := []byte(strings.Repeat("abc", 11)[:32]), command.Mechanism{Type: command.MechAESCBC, IV: []byte("abcabcabcabcabca")}
	hmac := command.Mechanism{Type: command.MechSHA256HMAC}
	for _, want := range []any{
		&command.FindObjectsRequest{Template: command.Template{command.AttrClass: uint64(4), command.AttrLabel: "label"}},
		&command.SignRequest{Key: 17, Mechanism: hmac, Data: abc[:3]},
		&command.VerifyRequest{Key: 17, Mechanism: hmac, Data: abc[:3], Signature: []byte("signature")},
		&command.CipherRequest{Key: 17, Mechanism: cbc, Data: abc},
		&command.CipherRequest{Key: 17, Mechanism: cbc, Data: []byte("data")},
	} {
		if !slices.ContainsFunc(d.asked, func(asked any) bool { return reflect.DeepEqual(asked, want) }) {
			t.Errorf("nobody asked %+v", want)
		}
	}
	if !slices.Equal(d.lines, []string{"abc", "abcabc"}) {
		t.Errorf("log %q", d.lines)
	}
}

func TestFailureOfTheDeviceIsNotTheModulesToHandle(t *testing.T) {
	broken := errors.New("broken")
	d := &desk{answers: map[command.Code]func(any) (any, error){command.CodeRandom: func(any) (any, error) { return nil, broken }}}
	if _, err := engine(t).Call(t.Context(), module(t, "calls"), "random", nil, d); !errors.Is(err, command.StatusCancel) {
		t.Error(err)
	}
}

func TestSameInputGivesTheSameOutput(t *testing.T) {
	first := fm.New(fm.Standard())
	defer first.Close()
	for _, function := range []string{"echo", "digest", "random", "find", "mac", "cbc", "gcm"} {
		a, errA := first.Call(t.Context(), module(t, "calls"), function, []byte("input"), obliging())
		b, errB := engine(t).Call(t.Context(), module(t, "calls"), function, []byte("input"), obliging())
		if !bytes.Equal(a, b) || errA != nil || errB != nil {
			t.Errorf("%s: %x, %v; %x, %v", function, a, errA, b, errB)
		}
	}
}

func TestManyCallAtOnce(t *testing.T) {
	e := engine(t)
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for range 20 {
				input := []byte(fmt.Sprintf("--caller %d", i))
				output, err := e.Call(t.Context(), module(t, "calls"), "echo", input, new(desk))
				if err != nil || string(output[16:]) != string(input[2:]) {
					t.Errorf("caller %d: %q, %v", i, output, err)
				}
			}
		})
	}
	callers.Wait()
}

func TestMoreModulesThanAreKeptReadyStillWork(t *testing.T) {
	e := engine(t)
	for i := range 40 {
		code := append(module(t, "calls"), custom(fmt.Sprint(i))...)
		if output, err := e.Call(t.Context(), code, "version", nil, new(desk)); err != nil || string(output[8:]) != "7.9.2" {
			t.Fatalf("%q, %v", output, err)
		}
	}
}

func TestCheckNamesTheFunctions(t *testing.T) {
	functions, err := engine(t).Check(module(t, "orders"))
	if err != nil || !slices.Equal(functions, []string{"sign"}) {
		t.Errorf("%q, %v", functions, err)
	}
}

func BenchmarkCall(b *testing.B) {
	e, code, d := engine(b), module(b, "calls"), new(desk)
	for b.Loop() {
		if _, err := e.Call(b.Context(), code, "version", nil, d); err != nil {
			b.Fatal(err)
		}
	}
}
