package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/audit"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

const serial = "7000001"

// log returns a log of n records and its end.
func log(t testing.TB, n int) ([]audit.Record, audit.Head) {
	t.Helper()
	chain := audit.NewChain(secret, serial)
	var records []audit.Record
	for i := range n {
		r, err := chain.Add(audit.Event{
			Time: int64(1_800_000_000 + i), Class: audit.Usage, Slot: command.SlotPartition, Session: 3,
			Role: command.RoleCO, Operation: command.CodeSign, Object: command.Handle(i),
		})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records, chain.Head()
}

func verify(t testing.TB, records []audit.Record, head *audit.Head) []audit.Finding {
	t.Helper()
	v := audit.NewVerifier(secret, serial)
	for i := range records {
		if err := v.Add(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	findings, checked := v.End(head)
	if checked != uint64(len(records)) {
		t.Errorf("%d records checked of %d", checked, len(records))
	}
	return findings
}

func TestDamageIsFoundAndLocated(t *testing.T) {
	records, head := log(t, 10)
	forked := func() audit.Record { // another log of the same HSM from record 5 on
		other := audit.Resume(secret, audit.Head{Number: 5, Code: make([]byte, audit.CodeSize)})
		r, err := other.Add(audit.Event{Operation: command.CodeSign})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}()
	changed := func(i int, change func(*audit.Record)) []audit.Record {
		list := slices.Clone(records)
		change(&list[i])
		return list
	}
	tests := []struct {
		name string
		log  []audit.Record
		want []audit.Finding
	}{
		{"whole", records, nil},
		{"result changed", changed(4, func(r *audit.Record) { r.Event.Status = command.StatusPINIncorrect }), []audit.Finding{{Fault: audit.Changed, Number: 5, Count: 1}}},
		{"time changed", changed(0, func(r *audit.Record) { r.Event.Time-- }), []audit.Finding{{Fault: audit.Changed, Number: 1, Count: 1}}},
		{"code changed", changed(9, func(r *audit.Record) { r.Code = slices.Clone(r.Code); r.Code[31] ^= 1 }), []audit.Finding{{Fault: audit.Changed, Number: 10, Count: 1}}},
		{"code cut", changed(9, func(r *audit.Record) { r.Code = r.Code[:8] }), []audit.Finding{{Fault: audit.Changed, Number: 10, Count: 1}}},
		{"one dropped", slices.Delete(slices.Clone(records), 3, 4), []audit.Finding{{Fault: audit.Dropped, Number: 4, Count: 1}}},
		{"beginning dropped", records[2:], []audit.Finding{{Fault: audit.Dropped, Number: 1, Count: 2}}},
		{"end dropped", records[:7], []audit.Finding{{Fault: audit.Truncated, Number: 8, Count: 3}}},
		{"all dropped", nil, []audit.Finding{{Fault: audit.Truncated, Number: 1, Count: 10}}},
		{"one twice", slices.Insert(slices.Clone(records), 5, records[4]), []audit.Finding{{Fault: audit.Repeated, Number: 5, Count: 1}}},
		{"one moved back", append(slices.Delete(slices.Clone(records), 3, 4), records[3]), []audit.Finding{{Fault: audit.Dropped, Number: 4, Count: 1}, {Fault: audit.Moved, Number: 4, Count: 1}}},
		{"one of a fork", changed(5, func(r *audit.Record) { *r = forked }), []audit.Finding{{Fault: audit.Foreign, Number: 6, Count: 1}, {Fault: audit.Foreign, Number: 7, Count: 1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := verify(t, test.log, &head); !slices.Equal(got, test.want) {
				t.Errorf("found %v, want %v", got, test.want)
			}
		})
	}
}

func TestAnotherSecretOrAnotherHSMVouchesForNothing(t *testing.T) {
	records, head := log(t, 3)
	for name, v := range map[string]*audit.Verifier{
		"secret": audit.NewVerifier([]byte("another secret of 32 bytes......"), serial),
		"serial": audit.NewVerifier(secret, "7000002"),
	} {
		for i := range records {
			if err := v.Add(&records[i]); err != nil {
				t.Fatal(err)
			}
		}
		if findings, _ := v.End(&head); len(findings) == 0 {
			t.Errorf("another %s finds nothing", name)
		}
	}
}

func TestPartsOfALogAreWholeByThemselves(t *testing.T) {
	records, head := log(t, 9)
	for begin := range records {
		for _, after := range []audit.Head{{Number: uint64(begin)}, headOf(records, begin)} {
			v := audit.NewVerifier(secret, serial)
			v.Begin(after)
			for i := begin; i < len(records); i++ {
				if err := v.Add(&records[i]); err != nil {
					t.Fatal(err)
				}
			}
			if findings, _ := v.End(&head); len(findings) != 0 {
				t.Errorf("from record %d: %v", begin+1, findings)
			}
		}
	}
}

// headOf returns the end of the first n records.
func headOf(records []audit.Record, n int) audit.Head {
	if n == 0 {
		return audit.NewChain(secret, serial).Head()
	}
	return audit.Head{Number: records[n-1].Number, Code: records[n-1].Code}
}

func TestAnyEditIsFound(t *testing.T) {
	records, head := log(t, 8)
	rapid.Check(t, func(rt *rapid.T) {
		edited := slices.Clone(records)
		for range rapid.IntRange(1, 4).Draw(rt, "edits") {
			if len(edited) == 0 {
				break
			}
			i := rapid.IntRange(0, len(edited)-1).Draw(rt, "record")
			switch rapid.IntRange(0, 3).Draw(rt, "edit") {
			case 0:
				edited = slices.Delete(edited, i, i+1)
			case 1:
				edited = slices.Insert(edited, i, edited[i])
			case 2:
				j := rapid.IntRange(0, len(edited)-1).Draw(rt, "other")
				edited[i], edited[j] = edited[j], edited[i]
			case 3:
				edited[i].Event.Session ^= 1 << rapid.IntRange(0, 31).Draw(rt, "bit")
			}
		}
		same := slices.EqualFunc(edited, records, func(a, b audit.Record) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		if found := verify(t, edited, &head); (len(found) == 0) != same {
			rt.Fatalf("edited log: %v", found)
		}
	})
}

func TestMasks(t *testing.T) {
	tests := []struct {
		text string
		want string // "" = refused
	}{
		{"f,s,a", "f,s,a"},
		{"a, s ,f", "f,s,a"},
		{"l", "l"},
		{"f,s,a,m,k,u,r,x,g", "l"},
		{"n", "n"},
		{"u,s", "s,u"},
		{"u", ""},
		{"", ""},
		{"f,s,q", ""},
		{"F,s", ""},
	}
	for _, test := range tests {
		m, err := audit.ParseMask(test.text)
		switch {
		case test.want == "" && !errors.Is(err, command.StatusArgumentsBad):
			t.Errorf("%q: %v, %v", test.text, m, err)
		case test.want != "" && (err != nil || m.String() != test.want):
			t.Errorf("%q: %v, %v, want %s", test.text, m, err, test.want)
		}
	}
	if err := audit.Mask(0x8000).Check(); err == nil {
		t.Error("unknown bits pass")
	}
}

func TestMaskWantsClassAndOutcome(t *testing.T) {
	m, err := audit.ParseMask("f,u,a")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		class audit.Class
		ok    bool
		want  bool
	}{
		{audit.Usage, false, true},
		{audit.Usage, true, false},
		{audit.Access, false, true},
		{audit.Manage, false, false},
	} {
		if got := m.Wants(c.class, c.ok); got != c.want {
			t.Errorf("%s with success %v: %v", c.class, c.ok, got)
		}
	}
	if audit.Mask(0).Wants(audit.Usage, true) {
		t.Error("an empty mask wants something")
	}
}

func TestLineIsForPeopleAndMachines(t *testing.T) {
	chain := audit.NewChain(secret, serial)
	r, err := chain.Add(audit.Event{
		Time: 1_800_000_000, Class: audit.Access, Slot: command.SlotAdmin, Session: 7, Role: command.RoleSO,
		Operation: command.CodeLogin, Status: command.StatusPINIncorrect,
	})
	if err != nil {
		t.Fatal(err)
	}
	line, err := r.Line(serial)
	const want = "1,27/01/15 08:00:00,S/N 7000001 session 7 slot 1 role so access operation login returned LUNA_RET_UM_PIN_INCORRECT(0x00a00000),"
	if err != nil || len(line) < len(want) || line[:len(want)] != want {
		t.Errorf("line %q, %v", line, err)
	}
}

func BenchmarkAdd(b *testing.B) {
	chain := audit.NewChain(secret, serial)
	for b.Loop() {
		if _, err := chain.Add(audit.Event{Class: audit.Usage, Operation: command.CodeSign, Session: 1, Role: command.RoleCO}); err != nil {
			b.Fatal(err)
		}
	}
}
