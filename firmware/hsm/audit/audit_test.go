package audit_test

import (
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
func log(t testing.TB, n int) ([]command.AuditRecord, command.AuditHead) {
	t.Helper()
	chain := audit.NewChain(secret, serial)
	var records []command.AuditRecord
	for i := range n {
		r, err := chain.Add(command.AuditEvent{
			Time: int64(1_800_000_000 + i), Class: command.AuditUsage, Slot: command.SlotPartition, Session: 3,
			Role: command.RoleCO, Operation: command.CodeSign, Object: command.Handle(i),
		})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records, chain.Head()
}

func verify(t testing.TB, records []command.AuditRecord, head *command.AuditHead) []command.AuditFinding {
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
	forked := func() command.AuditRecord { // another log of the same HSM from record 5 on
		other := audit.Resume(secret, command.AuditHead{Number: 5, Code: make([]byte, audit.CodeSize)})
		r, err := other.Add(command.AuditEvent{Operation: command.CodeSign})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}()
	changed := func(i int, change func(*command.AuditRecord)) []command.AuditRecord {
		list := slices.Clone(records)
		change(&list[i])
		return list
	}
	tests := []struct {
		name string
		log  []command.AuditRecord
		want []command.AuditFinding
	}{
		{"whole", records, nil},
		{"result changed", changed(4, func(r *command.AuditRecord) { r.Event.Status = command.StatusPINIncorrect }), []command.AuditFinding{{Fault: command.AuditChanged, Number: 5, Count: 1}}},
		{"time changed", changed(0, func(r *command.AuditRecord) { r.Event.Time-- }), []command.AuditFinding{{Fault: command.AuditChanged, Number: 1, Count: 1}}},
		{"code changed", changed(9, func(r *command.AuditRecord) { r.Code = slices.Clone(r.Code); r.Code[31] ^= 1 }), []command.AuditFinding{{Fault: command.AuditChanged, Number: 10, Count: 1}}},
		{"code cut", changed(9, func(r *command.AuditRecord) { r.Code = r.Code[:8] }), []command.AuditFinding{{Fault: command.AuditChanged, Number: 10, Count: 1}}},
		{"one dropped", slices.Delete(slices.Clone(records), 3, 4), []command.AuditFinding{{Fault: command.AuditDropped, Number: 4, Count: 1}}},
		{"beginning dropped", records[2:], []command.AuditFinding{{Fault: command.AuditDropped, Number: 1, Count: 2}}},
		{"end dropped", records[:7], []command.AuditFinding{{Fault: command.AuditTruncated, Number: 8, Count: 3}}},
		{"all dropped", nil, []command.AuditFinding{{Fault: command.AuditTruncated, Number: 1, Count: 10}}},
		{"one twice", slices.Insert(slices.Clone(records), 5, records[4]), []command.AuditFinding{{Fault: command.AuditRepeated, Number: 5, Count: 1}}},
		{"one moved back", append(slices.Delete(slices.Clone(records), 3, 4), records[3]), []command.AuditFinding{{Fault: command.AuditDropped, Number: 4, Count: 1}, {Fault: command.AuditMoved, Number: 4, Count: 1}}},
		{"one of a fork", changed(5, func(r *command.AuditRecord) { *r = forked }), []command.AuditFinding{{Fault: command.AuditForeign, Number: 6, Count: 1}, {Fault: command.AuditForeign, Number: 7, Count: 1}}},
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
		for _, after := range []command.AuditHead{{Number: uint64(begin)}, {Number: uint64(begin), Code: []byte{}}, headOf(records, begin)} {
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
func headOf(records []command.AuditRecord, n int) command.AuditHead {
	if n == 0 {
		return audit.NewChain(secret, serial).Head()
	}
	return command.AuditHead{Number: records[n-1].Number, Code: records[n-1].Code}
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
		same := slices.EqualFunc(edited, records, func(a, b command.AuditRecord) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		if found := verify(t, edited, &head); (len(found) == 0) != same {
			rt.Fatalf("edited log: %v", found)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	chain := audit.NewChain(secret, serial)
	for b.Loop() {
		if _, err := chain.Add(command.AuditEvent{Class: command.AuditUsage, Operation: command.CodeSign, Session: 1, Role: command.RoleCO}); err != nil {
			b.Fatal(err)
		}
	}
}
