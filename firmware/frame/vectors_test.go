package frame_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/frame"
)

// vector is one entry of a file under testdata: its lines, as pairs of a key
// and the rest.
type vector struct {
	name  string
	about string
	lines [][2]string
}

// readVectors reads a file of vectors: entries apart by blank lines, one field
// to a line, comments after #.
func readVectors(t testing.TB, path string) []vector {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []vector
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), " ")
		value = strings.TrimSpace(value)
		switch key {
		case "", "#":
		case "vector":
			all = append(all, vector{name: value})
		case "about":
			all[len(all)-1].about = value
		default:
			v := &all[len(all)-1]
			v.lines = append(v.lines, [2]string{key, value})
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s holds no vectors", path)
	}
	return all
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	if s == "-" {
		return nil
	}
	p, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHeadersReadAndWriteAsTheVectorsSay(t *testing.T) {
	refusals := map[string]error{"short": frame.ErrShort, "magic": frame.ErrMagic, "check": frame.ErrCheck}
	for _, v := range readVectors(t, "testdata/headers.txt") {
		t.Run(v.name, func(t *testing.T) {
			p := unhex(t, v.lines[0][1])
			h, err := frame.ParseHeader(p)
			verdict, want := v.lines[1][0], v.lines[1][1]
			if verdict == "refused" {
				if !errors.Is(err, refusals[want]) {
					t.Fatalf("got %v, want %v", err, refusals[want])
				}
				return
			}
			if got := fields(h); err != nil || got != want {
				t.Fatalf("got %s (%v), want %s", got, err, want)
			}
			if again := h.Append(nil); !slices.Equal(again, p[:frame.HeaderSize]) {
				t.Fatalf("writes %x, want %x", again, p[:frame.HeaderSize])
			}
		})
	}
}

func fields(h frame.Header) string {
	return fmt.Sprintf("version=%d type=%d flags=%d tag=%d session=%d code=%d length=%d total=%d",
		h.Version, uint8(h.Type), h.Flags, h.Tag, h.Session, h.Code, h.Length, h.Total)
}

// transcript is a Sink that writes down what it receives, as the vectors do.
type transcript []string

func (tr *transcript) Message(m frame.Message) {
	payload := "-"
	if len(m.Payload) > 0 {
		payload = hex.EncodeToString(m.Payload)
	}
	*tr = append(*tr, fmt.Sprintf("message %v tag=%d session=%d code=%d payload=%s", m.Type, m.Tag, m.Session, m.Code, payload))
}

func (tr *transcript) Fault(f frame.Fault) {
	name := fmt.Sprint(uint8(f.Type))
	switch {
	case f.Cause == "":
		name = "a fault without a cause:"
	case f.Type == 0:
		name = "-"
	case f.Type >= frame.TypeRequest && f.Type <= frame.TypeHello:
		name = f.Type.String()
	}
	*tr = append(*tr, fmt.Sprintf("fault %s tag=%d status=%08X", name, f.Tag, f.Status))
}

func TestTransfersBecomeMessagesAndFaultsAsTheVectorsSay(t *testing.T) {
	for _, v := range readVectors(t, "testdata/transfers.txt") {
		t.Run(v.name, func(t *testing.T) {
			var a frame.Assembler
			var got, want transcript
			for _, line := range v.lines {
				if line[0] != "transfer" {
					want = append(want, line[0]+" "+line[1])
					continue
				}
				if !slices.Equal(got, want) {
					break
				}
				a.Feed(unhex(t, line[1]), &got)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s\ngot\n\t%s\nwant\n\t%s", v.about, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		})
	}
}
