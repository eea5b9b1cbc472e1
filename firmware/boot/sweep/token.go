package sweep

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"usbhsm7/firmware/flash"
)

// tokenOf names a first cut.
func tokenOf(scenario string, c cut) string { return scenario + ": cut=" + placeOf(c) }

// placeOf names a cut within a play, such as p1/prog@0x4100#37:bits:17.
func placeOf(c cut) string {
	return fmt.Sprintf("p%d/%v", c.powerOn, flash.CutAt(c.number, c.operation, c.how))
}

// place is a cut that a token tells of.
type place struct {
	flash.Cut
	text string
}

// maxCuts bounds the cuts of a token: a sweep makes two.
const maxCuts = 4

// parseToken reads what tokenOf and cutAgain write.
func (w *world) parseToken(token string) (s scenario, cuts []place, err error) {
	name, rest, found := strings.Cut(strings.TrimSuffix(token, " (at the end)"), ":")
	if s, err = w.findScenario(name); err != nil || !found {
		return s, nil, err
	}
	for part := range strings.SplitSeq(strings.TrimSpace(rest), ";") {
		if part == "" {
			continue
		}
		_, text, found := strings.Cut(part, "=")
		p, err := parsePlace(text)
		if err != nil || !found || len(cuts) == maxCuts {
			return s, nil, fmt.Errorf("%w: %q", ErrToken, part)
		}
		cuts = append(cuts, p)
	}
	return s, cuts, nil
}

func parsePlace(text string) (place, error) {
	powerOn, cut, found := strings.Cut(text, "/")
	if _, err := strconv.ParseUint(strings.TrimPrefix(powerOn, "p"), 10, 31); err != nil || !found {
		return place{}, ErrToken
	}
	c, err := flash.ParseCut(cut)
	return place{c, text}, err
}

// Replay plays what a token tells of, and returns the faults that it finds. Of a
// token that is not of this rehearsal the error carries ErrToken.
func Replay(token string, defect *Defect) ([]Fault, error) {
	w, err := sharedWorld()
	if err != nil {
		return nil, err
	}
	return w.replay(token, cmp.Or(defect, &Defect{}))
}

func (w *world) replay(token string, defect *Defect) ([]Fault, error) {
	s, cuts, err := w.parseToken(token)
	if err != nil {
		return nil, err
	}
	p := &player{w, defect}
	chip, err := p.stage(&s)
	if err != nil {
		return nil, err
	}
	return p.replay(&sweep{player: p, scenario: s, memo: newMemo(true)}, chip, cuts, token)
}

func (p *player) replay(s *sweep, chip *flash.Memory, cuts []place, token string) ([]Fault, error) {
	b, f := branch{}, facts{}
	if len(cuts) == 0 {
		rest := &Report{}
		p.refuse(&s.scenario, chip, rest)
		p.decay(&s.scenario, chip, 1, rest)
		b.faults = rest.Faults
	}
	for _, c := range cuts {
		at, err := p.find(&s.scenario, chip, &f, c)
		if err != nil {
			return nil, err
		}
		if chip, err = at.crash(c.How); err != nil {
			return nil, err
		}
		s.judge(&b, chip, f, token)
	}
	if err := p.play(&s.scenario, chip, &f, nil, nil); err != nil {
		b.add(Unconverged, token, "%v", err)
	} else {
		s.judge(&b, chip, f, token)
	}
	return b.faults, nil
}

// find plays a scenario up to a point.
func (p *player) find(s *scenario, chip *flash.Memory, f *facts, c place) (*point, error) {
	points, err := p.record(s, chip, f, nil)
	if c.Number < 1 || c.Number > len(points) {
		return nil, fmt.Errorf("%w: %s: the play has %d operations (%v)", ErrToken, c.text, len(points), err)
	}
	at := &points[c.Number-1]
	if placeOf(cut{point: at, how: c.How}) != c.text {
		return nil, fmt.Errorf("%w: %s: operation %d is %s", ErrToken, c.text, c.Number, placeOf(cut{point: at, how: c.How}))
	}
	*f = at.facts
	return at, nil
}
