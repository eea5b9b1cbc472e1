package sweep

import "usbhsm7/firmware/boot"

// Rule is what must hold in every crash state. Its text is for people.
type Rule string

// The rules. The last four are judged by playing on, the others by looking at a
// power-on.
const (
	Brick        Rule = "the device starts"
	Mixture      Rule = "what runs is one firmware, whole, old or new"
	Premature    Rule = "new firmware runs only once it was activated, and for good only once it was confirmed"
	Lost         Rule = "what was acknowledged is not lost"
	Security     Rule = "the security version never falls, and rises only with a confirmation"
	WayBack      Rule = "there is one firmware to go back to, whole, until the next one is confirmed"
	Resumed      Rule = "a rollback that was begun never ends in readable keys"
	Unconverged  Rule = "the scenario comes to its end"
	Wear         Rule = "no block is erased much more often than without a power cut"
	Refusal      Rule = "a file that is refused leaves the flash as it is"
	DecayIsFound Rule = "firmware that has decayed does not run, and the device starts and takes an update"
)

// situation is what a rule looks at.
type situation struct {
	world    *world
	scenario *scenario
	facts    facts
	observation
}

// checks are the rules for a power-on, in the order in which they are judged.
var checks = []struct {
	rule   Rule
	broken func(s *situation) string // what is wrong; "" = nothing
}{
	{Brick, func(s *situation) string { return s.broken }},
	{Mixture, func(s *situation) string {
		old, _ := s.scenario.from()
		if s.strange == "" && s.running != old && s.running != s.scenario.to && s.running != s.facts.upload {
			return "firmware that nobody asked for"
		}
		return s.strange
	}},
	{Premature, func(s *situation) string {
		old, _ := s.scenario.from()
		switch {
		case s.running != old && !s.facts.trying && !s.facts.returns:
			return "new firmware runs that was not activated"
		case s.running != old && s.observation.confirmed && !s.facts.confirms && !s.facts.returns:
			return "new firmware counts as confirmed"
		}
		return ""
	}},
	{Lost, lost},
	{Security, func(s *situation) string {
		old, _ := s.scenario.from()
		switch {
		case s.observation.security < s.facts.security:
			return "it fell"
		case s.observation.security > s.world.confirmed(s.scenario, old) && !s.facts.confirms:
			return "it rose without a confirmation"
		}
		return ""
	}},
	{WayBack, wayBack},
	{Resumed, func(s *situation) string {
		switch {
		case s.facts.returning && s.state == boot.Idle.String() && s.running != s.scenario.to:
			return "the rollback is forgotten"
		case s.facts.returns && s.running == s.scenario.to && s.keys:
			return "the firmware before runs, and the keys are there"
		}
		return ""
	}},
}

// confirmed returns the highest security version of firmware that was confirmed
// before a scenario.
func (w *world) confirmed(s *scenario, running int) uint32 {
	highest := max(w.security, w.editions[running].security)
	for _, n := range s.before {
		highest = max(highest, w.editions[n].security)
	}
	return highest
}

func lost(s *situation) string {
	f, receiving := &s.facts, s.state == boot.Receiving.String()
	old, _ := s.scenario.from()
	idle := s.state == boot.Idle.String()
	switch {
	case f.confirmed && (s.running != s.scenario.to || !s.observation.confirmed):
		return "the confirmation"
	case f.returned && s.running != s.scenario.to:
		return "the rollback"
	case s.observation.floor < f.floor:
		return "the floor"
	case receiving && s.incoming == f.upload && !f.acked.within(s.have):
		return "a chunk"
	case receiving && s.incoming == f.upload && f.staged:
		return "that the upload is complete"
	case idle && !f.acked.isEmpty() && s.running == old && !f.leaving && !f.trying:
		return "the upload"
	case f.tried && s.running == old && !(s.scenario.decays && s.observation.confirmed) && idle && s.last != boot.FellBack.String():
		return "the activation"
	}
	return ""
}

func wayBack(s *situation) string {
	old, before := s.scenario.from()
	f := &s.facts
	switch {
	case s.spoilt != "":
		return s.spoilt
	case s.rollback == before && (s.scenario.decays || !f.confirmed && !f.returned):
	case s.rollback == old && f.confirms:
	case s.rollback < 0 && f.returns:
	default:
		return "it is not the one it should be"
	}
	return ""
}
