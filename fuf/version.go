package fuf

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of firmware, of a bootloader or of client software. Its
// text is such as 7.9.2.
type Version struct {
	_     struct{} `cbor:",toarray"`
	Major uint16
	Minor uint16
	Patch uint16
}

// V returns the version major.minor.patch.
func V(major, minor, patch uint16) Version { return Version{Major: major, Minor: minor, Patch: patch} }

// ParseVersion reads a version as Version.String writes it.
func ParseVersion(text string) (Version, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return Version{}, fmt.Errorf("version %q is not three numbers such as 7.9.2", text)
	}
	var numbers [3]uint16
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || strconv.FormatUint(n, 10) != part {
			return Version{}, fmt.Errorf("version %q is not three numbers such as 7.9.2", text)
		}
		numbers[i] = uint16(n)
	}
	return V(numbers[0], numbers[1], numbers[2]), nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Compare returns -1 if v is older than w, 0 if they are the same and +1 if v is
// newer.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// MarshalText is String.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is ParseVersion.
func (v *Version) UnmarshalText(text []byte) error {
	parsed, err := ParseVersion(string(text))
	*v = parsed
	return err
}

// Range is the versions from From to To, both included.
type Range struct {
	_    struct{} `cbor:",toarray"`
	From Version  `json:"from"`
	To   Version  `json:"to"`
}

// Contains reports whether v is in the range.
func (r Range) Contains(v Version) bool { return r.From.Compare(v) <= 0 && v.Compare(r.To) <= 0 }
