package object_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/object"
)

// makeSet returns a set of AES keys that are called after their handles.
func makeSet(t testing.TB, n int) object.Set {
	t.Helper()
	list := make([]*object.Object, n)
	for i := range list {
		list[i] = numbered(t, command.Handle(i+1))
	}
	return object.NewSet(list)
}

func numbered(t testing.TB, handle command.Handle) *object.Object {
	t.Helper()
	return makeAES(t, handle, command.Template{command.AttrLabel: fmt.Sprint("key ", handle), command.AttrID: fmt.Append(nil, handle)})
}

func query(t testing.TB, template command.Template) *object.Query {
	t.Helper()
	q, err := object.NewQuery(template)
	if err != nil {
		t.Fatal(err)
	}
	return &q
}

// named is what the model of a set knows of an object.
type named struct{ label, id string }

func TestSetsBehaveLikeMaps(t *testing.T) {
	names := rapid.SampledFrom([]string{"", "a", "b", "c"})
	rapid.Check(t, func(rt *rapid.T) {
		set, model := object.Set{}, map[command.Handle]named{}
		olderSet, older := set, map[command.Handle]named{}
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			handle := command.Handle(rapid.Uint32Range(1, 12).Draw(rt, "handle"))
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0, 1, 2:
				set = set.Without(handle)
				delete(model, handle)
			case 3:
				set = set.Where(func(o *object.Object) bool { return o.Handle != handle })
				delete(model, handle)
			case 4:
				olderSet, older = set, maps.Clone(model)
			default:
				n := named{names.Draw(rt, "label"), names.Draw(rt, "id")}
				set = set.With(makeAES(t, handle, command.Template{command.AttrLabel: n.label, command.AttrID: []byte(n.id)}))
				model[handle] = n
			}
		}
		sought := named{names.Draw(rt, "label sought"), names.Draw(rt, "id sought")}
		checkSet(rt, set, model, sought)
		checkSet(rt, olderSet, older, sought)
		checkSet(rt, object.NewSet(slices.Collect(set.All())), model, sought)
	})
}

func checkSet(t *rapid.T, set object.Set, model map[command.Handle]named, sought named) {
	var all, byLabel, byID []command.Handle
	for _, h := range slices.Sorted(maps.Keys(model)) {
		if o, ok := set.Get(h); !ok || o.Handle != h {
			t.Fatalf("%d is missing", h)
		}
		all = append(all, h)
		if model[h].label == sought.label {
			byLabel = append(byLabel, h)
		}
		if model[h].id == sought.id {
			byID = append(byID, h)
		}
	}
	if set.Len() != len(model) {
		t.Fatalf("%d objects, want %d", set.Len(), len(model))
	}
	class := command.Template{command.AttrClass: command.ClassSecretKey}
	checkFound(t, set, class, all)
	checkFound(t, set, with(class, command.AttrLabel, sought.label), byLabel)
	checkFound(t, set, with(class, command.AttrID, []byte(sought.id)), byID)
	checkFound(t, set, command.Template{command.AttrClass: command.ClassPublicKey, command.AttrLabel: sought.label}, nil)
	q, err := object.NewQuery(class)
	if err != nil {
		t.Fatal(err)
	}
	if hidden := set.Find(&q, 0, false, 100, nil); len(hidden) != 0 {
		t.Fatalf("private objects %v found without a login", hidden)
	}
}

// checkFound searches page by page.
func checkFound(t *rapid.T, set object.Set, template command.Template, want []command.Handle) {
	q, err := object.NewQuery(template)
	if err != nil {
		t.Fatal(err)
	}
	var got []command.Handle
	for after := command.Handle(0); ; after = got[len(got)-1] {
		page := set.Find(&q, after, true, 2, nil)
		if got = append(got, page...); len(page) < 2 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v finds %v, want %v", template, got, want)
	}
}

func TestOlderSetsStayAsTheyWere(t *testing.T) {
	a, b := makeAES(t, 1, nil), makeAES(t, 2, nil)
	one := object.Set{}.With(a)
	two := one.With(b)
	gone := two.Without(1)
	if one.Len() != 1 || two.Len() != 2 || gone.Len() != 1 {
		t.Errorf("%d, %d and %d objects", one.Len(), two.Len(), gone.Len())
	}
}

// Whether a set grew one by one or was made at once, no path in it is long.
func TestSetsOf10000AreFlat(t *testing.T) {
	grown := object.Set{}
	for h := range command.Handle(10000) {
		grown = grown.With(numbered(t, h+1))
	}
	for name, set := range map[string]object.Set{"grown": grown, "made": makeSet(t, 10000)} {
		if depth := set.Depth(); depth < 14 || depth > 42 { // three times the logarithm
			t.Errorf("%s: %d levels", name, depth)
		}
	}
}

// Of the sets of 10,000 objects the benchmarks do what the commands do, without
// keys and storage.
func BenchmarkAmong10000(b *testing.B) {
	set := makeSet(b, 10000)
	for name, template := range map[string]command.Template{
		"find by label": {command.AttrLabel: "key 7777"},
		"find by id":    {command.AttrID: []byte("7777")},
		"find by value": {command.AttrUniqueID: "absent"},
	} {
		q := query(b, template)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Find(q, 0, true, 1000, nil)
			}
		})
	}
	fresh := numbered(b, 10001)
	for name, f := range map[string]func(){
		"get":     func() { set.Get(5000) },
		"create":  func() { set.With(fresh) },
		"destroy": func() { set.Without(5000) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}
