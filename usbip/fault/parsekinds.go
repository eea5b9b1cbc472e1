package fault

import (
	"strconv"
	"strings"
)

// kinds are the faults that a script can name, in the order of docs/faults.md.
var kinds = append([]kind{
	{"delay", onTransfers, (*line).delay},
	{"nak", onTransfers, (*line).nak},
	{"stall", onTransfers, func(l *line) (Fault, error) { return Stall{Once: l.take("once")}, nil }},
	{"short", onTransfers, func(l *line) (Fault, error) { n, err := l.size(0); return Short{n}, err }},
	{"zero-length", onTransfers, func(*line) (Fault, error) { return ZeroLength{}, nil }},
	{"error", onTransfers, (*line).status},
	{"corrupt", onTransfers, (*line).corrupt},
	{"disconnect", onTransfers, func(l *line) (Fault, error) { n, err := l.after(); return Disconnect{After: n}, err }},
	{"reset", onTransfers, func(*line) (Fault, error) { return Reset{}, nil }},
	{"reorder", onTransfers, (*line).reorder},
	{"split", onConnections, (*line).split},
	{"bandwidth", onConnections, (*line).bandwidth},
	{"slow-reader", onConnections, (*line).slowReader},
	{"cut", onConnections, (*line).cut},
}, replyKinds()...)

// kind is a fault by its first word.
type kind struct {
	word  string
	place place
	parse func(*line) (Fault, error) // what follows the word
}

func replyKinds() (list []kind) {
	for i, name := range replyNames {
		list = append(list, kind{name, onReplies, func(*line) (Fault, error) { return Reply(i), nil }})
	}
	return list
}

// delay reads "TIME", "TIME..TIME", "normal TIME TIME", "exponential TIME" or
// "spikes PERCENT TIME".
func (l *line) delay() (Fault, error) {
	var d Delay
	var err error
	switch first := l.peek(); {
	case l.take("normal"):
		d.Distribution = Normal
		if d.A, err = l.time(true); err == nil {
			d.B, err = l.time(true)
		}
	case l.take("exponential"):
		d.Distribution = Exponential
		d.A, err = l.time(true)
	case l.take("spikes"):
		d.Distribution = Spikes
		if d.Chance, err = l.percent(); err == nil {
			d.A, err = l.time(true)
		}
	case strings.Contains(first.text, ".."):
		d.Distribution = Uniform
		low, high, _ := strings.Cut(l.next().text, "..")
		var errs [2]error
		d.A, errs[0] = parseTime(low)
		d.B, errs[1] = parseTime(high)
		if errs[0] != nil || errs[1] != nil || d.B < d.A {
			err = l.unexpected(first, `two times, the smaller one first, such as "1ms..9ms"`)
		}
	default:
		l.next()
		if d.A, err = parseTime(first.text); err != nil {
			err = l.unexpected(first, timeForm+`, "normal", "exponential" or "spikes"`, "normal", "exponential", "spikes")
		}
	}
	return d, err
}

func (l *line) nak() (Fault, error) {
	if !l.take("for") {
		return NAK{}, nil
	}
	d, err := l.time(false)
	return NAK{d}, err
}

func (l *line) status() (Fault, error) {
	w := l.next()
	status, ok := statusNames[w.text]
	if !ok {
		return nil, l.unexpected(w, "", "EPROTO", "EILSEQ", "ETIME", "EOVERFLOW")
	}
	n, err := l.after()
	return Error{Status: status, After: n}, err
}

// after reads "after SIZE", if it is there.
func (l *line) after() (int, error) {
	if !l.take("after") {
		return 0, nil
	}
	return l.size(0)
}

func (l *line) corrupt() (Fault, error) {
	n, err := l.count(1)
	if err != nil {
		return nil, err
	}
	if !l.take("bits") && !l.take("bit") {
		return nil, l.unexpected(l.peek(), "", "bits")
	}
	f := Corrupt{Bits: n}
	if l.take("within") {
		w := l.next()
		low, high, ok := strings.Cut(w.text, "..")
		var errs [2]error
		f.First, errs[0] = strconv.Atoi(low)
		f.Last, errs[1] = strconv.Atoi(high)
		if !ok || errs[0] != nil || errs[1] != nil || f.check() != nil || f.Last == 0 {
			return nil, l.unexpected(w, `the first and the last byte, counted from 0, such as "0..31"`)
		}
	}
	return f, nil
}

func (l *line) reorder() (Fault, error) {
	if err := l.need("behind"); err != nil {
		return nil, err
	}
	n, err := l.count(1)
	f := Reorder{Behind: n}
	if err == nil && l.take("within") {
		f.Within, err = l.time(false)
	}
	return f, err
}

func (l *line) split() (Fault, error) {
	low, high, both := strings.Cut(l.peek().text, "..")
	if !both {
		n, err := l.size(1)
		return Split{n, n}, err
	}
	w := l.next()
	least, err1 := strconv.Atoi(low)
	most, err2 := strconv.Atoi(high)
	f := Split{least, most}
	if err1 != nil || err2 != nil || f.check() != nil {
		return nil, l.unexpected(w, `a size, or two numbers, the smaller one first, such as "1..7 bytes"`)
	}
	return f, l.need("bytes")
}

func (l *line) bandwidth() (Fault, error) {
	w := l.next()
	text, ok := strings.CutSuffix(w.text, "/s")
	n, sized := parseSize(text)
	if !ok || !sized || n == 0 {
		return nil, l.unexpected(w, `bytes a second such as "1MB/s", "64KiB/s" or "300B/s"`)
	}
	return Bandwidth{n}, nil
}

func (l *line) slowReader() (Fault, error) {
	n, err := l.size(1)
	if err == nil {
		err = l.need("every")
	}
	f := SlowReader{Bytes: n}
	if err == nil {
		f.Rest, err = l.time(false)
	}
	return f, err
}

func (l *line) cut() (Fault, error) {
	if err := l.need("after"); err != nil {
		return nil, err
	}
	n, err := l.size(0)
	return Cut{n}, err
}
