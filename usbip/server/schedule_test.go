package server_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"usbhsm7/usbip/server"
)

var (
	schedules = flag.Int("schedules", 200, "random schedules that TestSchedulesOfSeeds runs")
	firstSeed = flag.Uint64("first-seed", 0, "the seed of the first of them")
)

// Limits of the server and the client of a schedule.
var (
	wide  = server.Options{MaxPending: 8192, MaxPendingBytes: 64 << 20}
	tight = server.Options{MaxPending: 4, MaxPendingBytes: 4 * 16384} // 4 of the longest URBs
)

// play carries out a schedule in a bubble of its own. The bubble ends only when
// every goroutine of server, client and device has.
func play(t *testing.T, s schedule) (err error) {
	synctest.Test(t, func(*testing.T) { err = s.play() })
	return err
}

// TestAnySchedule runs random schedules. A failure is shrunk and printed as a
// script, which can be kept in testdata/schedules.
func TestAnySchedule(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := schedule{options: wide}
		if rapid.Bool().Draw(r, "tight") {
			s.options, s.greedy = tight, rapid.Bool().Draw(r, "greedy")
		}
		least := rapid.IntRange(1, maxSteps/2).Draw(r, "length")
		s.script = rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			return drawStep(func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "choice") })
		}), least, maxSteps).Draw(r, "script")
		if err := play(t, s); err != nil {
			r.Fatalf("%v\nof the script:\n%s", err, s.script)
		}
	})
}

// TestSchedulesOfSeeds runs the schedules of as many seeds as the flags say. A
// failure names its seed and prints a script from which no step can be left out.
func TestSchedulesOfSeeds(t *testing.T) {
	n := *schedules
	if testing.Short() {
		n /= 3
	}
	reached := tally{}
	for seed := *firstSeed; seed < *firstSeed+uint64(n); seed++ {
		s := schedule{script: randomScript(seed), options: wide, tally: reached}
		if seed%4 == 3 {
			s.options, s.greedy = tight, seed%8 == 7
		}
		if err := play(t, s); err != nil {
			t.Fatalf("seed %d: %v\nof the script:\n%s", seed, err, s.shrink(t).script)
		}
	}
	for _, what := range worthwhile() {
		if reached[what] < n/20 {
			t.Errorf("%d schedules reached %q %d times", n, what, reached[what])
		}
	}
}

// shrink leaves out steps as long as anything is wrong without them.
func (s schedule) shrink(t *testing.T) schedule {
	s.tally = nil
	for size := len(s.script) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(s.script); {
			less := s
			less.script = append(s.script[:at:at], s.script[at+size:]...)
			if play(t, less) != nil {
				s = less
			} else {
				at += size
			}
		}
	}
	return s
}

// TestKeptSchedules runs the scripts that were written or found to be of
// interest.
func TestKeptSchedules(t *testing.T) {
	files, err := filepath.Glob("testdata/schedules/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parseScript(string(text))
			if err != nil {
				t.Fatal(err)
			}
			for _, options := range []server.Options{wide, tight} {
				if err := play(t, schedule{script: s, options: options}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestBytesMayComeOneAtATime plays schedules over connections that give each side
// one byte at a time, from the first of the handshake on.
func TestBytesMayComeOneAtATime(t *testing.T) {
	for seed := range uint64(12) {
		s := schedule{script: randomScript(seed), options: wide, trickle: true}
		s.script = s.script[:min(len(s.script), 40)]
		if err := play(t, s); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func TestScriptsSurviveTheirText(t *testing.T) {
	s := randomScript(1)
	again, err := parseScript(s.String())
	if err != nil || again.String() != s.String() {
		t.Errorf("%v; %d steps became %d", err, len(s), len(again))
	}
	for _, text := range []string{"fly", "submit 1", "submit 1 2 many"} {
		if _, err := parseScript(text); err == nil {
			t.Errorf("%q is a script", text)
		}
	}
}

// TestShrinkingLeavesWhatMatters shrinks a schedule that fails on a server with a
// defect.
func TestShrinkingLeavesWhatMatters(t *testing.T) {
	s := schedule{script: randomScript(3), options: wide, defect: defectNamed(t, "completion comes twice")}
	if play(t, s) == nil {
		t.Fatal("the defect goes unnoticed")
	}
	s.script = append(s.script, step{verb: "submit", args: [3]int{0x81, 4, 1}}) // needed by nothing
	if least := s.shrink(t); len(least.script) != 0 {
		t.Errorf("left is\n%s", least.script) // the import alone shows this defect
	}
}

// FuzzSchedule makes a schedule of any bytes.
func FuzzSchedule(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0}, false)
	f.Add([]byte("submit, cancel, hold, release, unplug, plug, import"), true)
	for seed := range uint64(4) {
		f.Add([]byte(randomScript(seed).String()), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, narrow bool) {
		s := schedule{script: scriptOf(b), options: wide}
		if narrow {
			s.options = tight
		}
		if err := play(t, s); err != nil {
			t.Fatalf("%v\nof the script:\n%s", err, s.script)
		}
	})
}
