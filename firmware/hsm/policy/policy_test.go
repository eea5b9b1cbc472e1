package policy_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

func TestTablesAreInOrderAndMakeSense(t *testing.T) {
	for name, table := range map[string]policy.Table{"HSM": policy.HSM, "partition": policy.Partition} {
		last := -1
		for _, p := range table {
			switch {
			case int(p.ID) <= last:
				t.Errorf("%s policy %d stands behind %d", name, p.ID, last)
			case p.Name == "" || p.Basis == "":
				t.Errorf("%s policy %d has no name or no evidence", name, p.ID)
			case p.Changeable() && (p.Least > p.Most || p.Default < p.Least || p.Default > p.Most):
				t.Errorf("%s policy %d: default %d, values %d to %d", name, p.ID, p.Default, p.Least, p.Most)
			case p.Most == 1 && p.Default > p.Capability:
				t.Errorf("%s policy %d is less restrictive than its capability", name, p.ID)
			case p.Under != 0 && policy.HSM.Lookup(p.Under) == nil:
				t.Errorf("%s policy %d hangs on HSM policy %d, which is none", name, p.ID, p.Under)
			case p.Excludes != 0 && table.Lookup(p.Excludes) == nil:
				t.Errorf("%s policy %d excludes %d, which is none", name, p.ID, p.Excludes)
			}
			last = int(p.ID)
		}
		defaults := table.Defaults()
		if _, _, err := table.Change(defaults, policy.Request{Empty: true, Settings: table.Settings(&defaults), Quorum: true, Above: above()}); err != nil {
			t.Errorf("the defaults of the %s contradict each other: %v", name, err)
		}
	}
}

func above() *policy.Values {
	v := policy.HSM.Defaults()
	return &v
}

func TestChange(t *testing.T) {
	set := func(pairs ...uint16) (list []policy.Setting) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, policy.Setting{ID: uint8(pairs[i]), Value: pairs[i+1]})
		}
		return list
	}
	noCloning := policy.HSM.Defaults()
	noCloning[policy.Cloning] = 0
	tests := []struct {
		name     string
		table    policy.Table
		request  policy.Request
		destroys bool
		want     command.Status
	}{
		{"harmless switch", policy.HSM, policy.Request{Settings: set(21, 0)}, false, command.StatusOK},
		{"number", policy.Partition, policy.Request{Settings: set(20, 3)}, false, command.StatusOK},
		{"several", policy.Partition, policy.Request{Settings: set(20, 3, 25, 240, 26, 64)}, false, command.StatusOK},
		{"nothing", policy.HSM, policy.Request{}, false, command.StatusOK},
		{"destructive", policy.HSM, policy.Request{Settings: set(12, 0), Destructive: true}, true, command.StatusOK},
		{"the harmless direction of a destructive one", policy.Partition, policy.Request{Settings: set(10, 0)}, false, command.StatusOK},
		{"to what it is", policy.HSM, policy.Request{Settings: set(12, 1)}, false, command.StatusOK},
		{"destructive while nothing is stored", policy.HSM, policy.Request{Settings: set(12, 0), Empty: true}, false, command.StatusOK},

		{"destructive, not asked for", policy.HSM, policy.Request{Settings: set(12, 0)}, false, command.StatusPolicyDestructive},
		{"one of several destructive", policy.HSM, policy.Request{Settings: set(21, 0, 12, 0)}, false, command.StatusPolicyDestructive},
		{"harmless, destruction asked for", policy.HSM, policy.Request{Settings: set(21, 0), Destructive: true}, false, command.StatusPolicyNotDestructive},
		{"unknown", policy.HSM, policy.Request{Settings: set(63, 0)}, false, command.StatusPolicyIDInvalid},
		{"beyond all", policy.HSM, policy.Request{Settings: set(255, 0)}, false, command.StatusPolicyIDInvalid},
		{"capability without a policy", policy.HSM, policy.Request{Settings: set(33, 2)}, false, command.StatusPolicyNotFound},
		{"beyond the capability", policy.HSM, policy.Request{Settings: set(50, 1)}, false, command.StatusPolicyChangeIllegal},
		{"no switch has 2", policy.HSM, policy.Request{Settings: set(21, 2)}, false, command.StatusPolicyValueInvalid},
		{"below the least", policy.Partition, policy.Request{Settings: set(20, 0)}, false, command.StatusPolicyValueInvalid},
		{"above the most", policy.Partition, policy.Request{Settings: set(20, 11)}, false, command.StatusPolicyValueInvalid},
		{"quorum only, on a password HSM", policy.Partition, policy.Request{Settings: set(22, 1)}, false, command.StatusPolicyChangeIllegal},
		{"quorum only, with quorum", policy.Partition, policy.Request{Settings: set(22, 1), Quorum: true}, false, command.StatusOK},
		{"wrapping beside cloning", policy.Partition, policy.Request{Settings: set(1, 1), Destructive: true}, false, command.StatusPolicyDependency},
		{"wrapping instead of cloning", policy.Partition, policy.Request{Settings: set(0, 0, 1, 1), Destructive: true}, true, command.StatusOK},
		{"cloning under an HSM that forbids it", policy.Partition, policy.Request{Settings: set(0, 1), Above: &noCloning}, false, command.StatusPolicyDependency},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := test.table.Defaults()
			if test.request.Above == nil {
				test.request.Above = above()
			}
			next, destroys, err := test.table.Change(now, test.request)
			switch {
			case test.want == command.StatusOK && err != nil, test.want != command.StatusOK && !errors.Is(err, test.want):
				t.Fatalf("error %v, want %v", err, test.want)
			case destroys != test.destroys:
				t.Errorf("destroys %v", destroys)
			case err != nil && next != now:
				t.Error("a refused change changed something")
			}
			for _, s := range test.request.Settings {
				if err == nil && next[s.ID] != s.Value {
					t.Errorf("policy %d is %d", s.ID, next[s.ID])
				}
			}
		})
	}
}

func TestHSMPolicyTurnsThoseOfThePartitionOff(t *testing.T) {
	for _, p := range policy.Partition {
		if p.Under == 0 {
			continue
		}
		hsm, partition := policy.HSM.Defaults(), policy.Partition.Defaults()
		hsm[p.Under], partition[p.ID] = 1, 1
		if v := policy.Partition.Under(partition, &hsm); !v.On(p.ID) {
			t.Errorf("policy %d is off while HSM policy %d is on", p.ID, p.Under)
		}
		hsm[p.Under] = 0
		if v := policy.Partition.Under(partition, &hsm); v.On(p.ID) {
			t.Errorf("policy %d is on while HSM policy %d is off", p.ID, p.Under)
		}
	}
}

func TestWhateverIsAskedTheRulesHold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := policy.Partition.Defaults()
		for range rapid.IntRange(1, 20).Draw(rt, "changes") {
			request := policy.Request{
				Above: above(), Destructive: rapid.Bool().Draw(rt, "destructive"),
				Settings: []policy.Setting{{ID: rapid.Uint8Range(0, 63).Draw(rt, "id"), Value: rapid.Uint16Range(0, 300).Draw(rt, "value")}},
			}
			next, _, err := policy.Partition.Change(now, request)
			if err == nil {
				now = next
			}
		}
		for _, p := range policy.Partition {
			if p.Changeable() && (now[p.ID] < p.Least || now[p.ID] > p.Most) || p.Most == 1 && now[p.ID] > p.Capability {
				rt.Fatalf("policy %d is %d", p.ID, now[p.ID])
			}
			if p.Excludes != 0 && now.On(p.ID) && now.On(p.Excludes) {
				rt.Fatalf("policies %d and %d are both on", p.ID, p.Excludes)
			}
		}
	})
}

func TestStoredSettingsSurviveANewFirmware(t *testing.T) {
	v := policy.Partition.Defaults()
	v[policy.MaxFailedLogins] = 4
	stored := policy.Partition.Settings(&v)
	if got := policy.Partition.Load(stored); got != v {
		t.Errorf("loaded %v", got)
	}
	older := stored[:3] // a firmware that knew three policies
	if got := policy.Partition.Load(older); got[policy.MaxFailedLogins] != 10 {
		t.Errorf("a policy that was not stored is %d, not at its default", got[policy.MaxFailedLogins])
	}
	newer := append(stored, policy.Setting{ID: 63, Value: 1}) // one that knows more
	if got := policy.Partition.Load(newer); got != v {
		t.Errorf("loaded %v", got)
	}
}
