package transport

import (
	"context"
	"errors"
	"strings"
	"testing"
)

var hsm = Info{Vendor: 0x1209, Product: 0x0001, Serial: "7000001", Path: "1-2"}

func TestSelectorMatches(t *testing.T) {
	foreign := Info{Vendor: 0x0403, Product: 0x6001, Serial: "A1", Path: "1-3"}
	tests := []struct {
		name     string
		selector Selector
		device   Info
		want     bool
	}{
		{"nothing chosen, own device", Selector{}, hsm, true},
		{"nothing chosen, foreign device", Selector{}, foreign, false},
		{"nothing chosen, beyond the own range", Selector{}, Info{Vendor: 0x1209, Product: 0x0011}, false},
		{"foreign device by its path alone", Selector{Path: "1-3"}, foreign, false},
		{"foreign device by vendor", Selector{Vendor: 0x0403}, foreign, true},
		{"foreign device by product", Selector{Product: 0x6001}, foreign, true},
		{"another vendor", Selector{Vendor: 0x1234, Product: 0x0001}, hsm, false},
		{"serial number", Selector{Serial: "7000001"}, hsm, true},
		{"serial number in another case", Selector{Serial: "a1", Vendor: 0x0403}, foreign, true},
		{"another serial number", Selector{Serial: "7000002"}, hsm, false},
		{"path", Selector{Path: "1-2"}, hsm, true},
		{"beginning of the path", Selector{Path: "1-"}, hsm, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.selector.Matches(test.device); got != test.want {
				t.Errorf("%v matches %v: %v, want %v", test.selector, test.device, got, test.want)
			}
		})
	}
}

func TestSelectorSaysWhatItChooses(t *testing.T) {
	for want, s := range map[string]Selector{
		"device 1209:0001 to 0010":                                   {},
		"device 1209:any at \"1-2\"":                                 {Vendor: 0x1209, Path: "1-2"},
		"device any:0003 with serial number \"7\"":                   {Product: 3, Serial: "7"},
		"device 1209:0001 to 0010 with serial number \"7\" at \"x\"": {Serial: "7", Path: "x"},
	} {
		if got := s.String(); got != want {
			t.Errorf("%#v is %q, want %q", s, got, want)
		}
	}
}

func TestInfoLeavesOutASerialNumberThatIsNotKnown(t *testing.T) {
	unread := hsm
	unread.Serial = ""
	if got := hsm.String() + ", " + unread.String(); got != "1209:0001 7000001 at 1-2, 1209:0001 at 1-2" {
		t.Error(got)
	}
}

// stubLink is a link that knows only who it is.
type stubLink struct {
	Link
	info   Info
	closed *[]string
}

func (l stubLink) Info() Info { return l.info }

func (l stubLink) Close() error {
	*l.closed = append(*l.closed, l.info.Serial)
	return nil
}

func TestFirstOpensTheFirstThatMatches(t *testing.T) {
	listed := []Info{ // as listed: serial numbers are not known, or are
		{Vendor: 0x1209, Product: 1, Path: "a"},
		{Vendor: 0x1209, Product: 1, Path: "b", Serial: "B"},
		{Vendor: 0x1209, Product: 1, Path: "c"},
		{Vendor: 0x1209, Product: 2, Path: "d"},
	}
	serials := map[string]string{"a": "A", "b": "B", "c": "C", "d": "D"}
	broken := errors.New("broken")
	tests := []struct {
		name     string
		selector Selector
		refuses  string // path of a device that cannot be opened
		want     string // serial number of the one that is
		err      error
		tried    string // paths, in order
		closed   string // serial numbers
	}{
		{"the first of all", Selector{}, "", "A", nil, "a", ""},
		{"by serial number, known or not", Selector{Serial: "c"}, "", "C", nil, "a c", "A"},
		{"by product", Selector{Product: 2}, "", "D", nil, "d", ""},
		{"the next after one that cannot be opened", Selector{}, "a", "B", nil, "a b", ""},
		{"none that can be opened", Selector{Path: "a"}, "a", "", broken, "a", ""},
		{"none that matches", Selector{Path: "e"}, "", "", ErrNotFound, "", ""},
		{"none with the serial number", Selector{Serial: "E"}, "", "", ErrNotFound, "a c d", "A C D"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var tried, closed []string
			link, err := First(test.selector, listed, func(i Info) (Link, error) {
				tried = append(tried, i.Path)
				if i.Path == test.refuses {
					return nil, broken
				}
				i.Serial = serials[i.Path]
				return stubLink{info: i, closed: &closed}, nil
			})
			if !errors.Is(err, test.err) || test.err == nil && link.Info().Serial != test.want {
				t.Errorf("link %v, error %v; want %q, %v", link, err, test.want, test.err)
			}
			if got := strings.Join(tried, " "); got != test.tried {
				t.Errorf("tried %q, want %q", got, test.tried)
			}
			if got := strings.Join(closed, " "); got != test.closed {
				t.Errorf("closed %q, want %q", got, test.closed)
			}
		})
	}
}

func TestFirstTellsWhichDeviceItCouldNotOpen(t *testing.T) {
	_, err := First(Selector{}, []Info{hsm}, func(Info) (Link, error) { return nil, context.Canceled })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), hsm.String()) {
		t.Errorf("error %v", err)
	}
}
