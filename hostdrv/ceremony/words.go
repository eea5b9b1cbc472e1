package ceremony

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// placeholder is a word in braces.
var placeholder = regexp.MustCompile(`\{([a-z0-9-]+)\}`)

// command returns the words of a command line, with what stands for the words in
// braces: what is given, then the values of the file.
func (c *Ceremony) command(line string, given map[string]string) ([]string, error) {
	list, err := words(line)
	if err != nil {
		return nil, err
	}
	for i, word := range list {
		list[i] = placeholder.ReplaceAllStringFunc(word, func(braces string) string {
			name := strings.Trim(braces, "{}")
			for _, values := range []map[string]string{given, c.Values} {
				if value, ok := values[name]; ok {
					return value
				}
			}
			err = fmt.Errorf("nothing stands for %s: values has no %s", braces, name)
			return braces
		})
	}
	return list, err
}

// errQuote says that a command line is not finished.
var errQuote = errors.New("a quotation mark has no end")

// words splits a command line at spaces, except between quotation marks, single or
// double.
func words(line string) (list []string, err error) {
	var word strings.Builder
	open, inside := rune(0), false
	for _, r := range line {
		switch {
		case open != 0 && r == open:
			open = 0
		case open == 0 && (r == '"' || r == '\''):
			open, inside = r, true
		case open == 0 && r == ' ' || open == 0 && r == '\n':
			if inside {
				list = append(list, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if open != 0 {
		return nil, errQuote
	}
	if inside {
		list = append(list, word.String())
	}
	return list, nil
}
