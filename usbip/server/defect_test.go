package server_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"usbhsm7/usbip/oracle"
)

// noticed says for each defect which check notices it. A breach of the driver's
// rules is named by the rule.
var noticed = map[string]string{
	"early UNLINK is answered at once":            oracle.NotPending.Name,
	"reply after the UNLINK that cancelled":       oracle.NotPending.Name,
	"UNLINK is answered before the reply":         oracle.EarlySuccess.Name,
	"UNLINK is answered with the victim's number": oracle.UnknownUnlink.Name,
	"UNLINK has no answer":                        checkAnswered,
	"UNLINK always cancels":                       oracle.Contradiction.Name,
	"UNLINK never cancels":                        oracle.EarlySuccess.Name,
	"OUT reply with payload":                      oracle.UnknownCommand.Name,
	"more data than asked for":                    oracle.TooLong.Name,
	"negative length":                             oracle.NegativeLength.Name,
	"positive status":                             oracle.PositiveStatus.Name,
	"short transfers are padded":                  checkDecisions,
	"last word is lost":                           checkIn,
	"data is not what the device sent":            checkIn,
	"OUT length is always 0":                      checkDecisions,
	"stalls are successes":                        checkDecisions,
	"completion is lost":                          oracle.EarlySuccess.Name, // when the URB is cancelled in the end
	"completion comes twice":                      oracle.NotPending.Name,
	"isochronous packets do not add up":           oracle.BadSum.Name,
	"isochronous packets are forgotten":           oracle.PacketsMissing.Name,
	"isochronous data keeps its gaps":             oracle.BadSum.Name,
	"endpoints overtake each other":               checkOrder,
}

// TestEveryDefectIsNoticed tests the tests: a server with a defect that servers
// are known to have fails a random schedule, for the right reason, soon.
func TestEveryDefectIsNoticed(t *testing.T) {
	const enough = 100
	for _, d := range oracle.Defects() {
		t.Run(d.Name, func(t *testing.T) {
			want, known := noticed[d.Name]
			if !known {
				t.Fatal("no check is named for this defect")
			}
			for seed := range uint64(enough) {
				s := schedule{script: randomScript(seed), options: wide, defect: &d}
				if err := play(t, s); err != nil && strings.Contains(err.Error(), want) {
					t.Logf("schedule %d", seed)
					return
				}
			}
			t.Errorf("%d schedules did not find that %q is wrong", enough, want)
		})
	}
}

// randomScript returns the script of a seed.
func randomScript(seed uint64) script {
	random := rand.New(rand.NewPCG(seed, 0))
	s := make(script, 1+random.IntN(maxSteps))
	for i := range s {
		s[i] = drawStep(random.IntN)
	}
	return s
}

func defectNamed(t *testing.T, name string) *oracle.Defect {
	t.Helper()
	for _, d := range oracle.Defects() {
		if d.Name == name {
			return &d
		}
	}
	t.Fatalf("no defect %q", name)
	return nil
}
