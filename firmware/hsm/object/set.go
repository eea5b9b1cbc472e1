package object

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"usbhsm7/firmware/command"
)

// Set is an immutable collection of objects ordered by handle. The zero Set is
// empty. A lookup is a binary search; a search by label or id compares one
// field of each object.
//
// Sets share memory: only the newest may be given to With, so that one writer
// appends at a time while readers keep any older set.
type Set struct {
	list []*Object
}

// NewSet returns the set of list, which it sorts and keeps.
func NewSet(list []*Object) Set {
	slices.SortFunc(list, func(a, b *Object) int { return cmp.Compare(a.Handle, b.Handle) })
	return Set{list}
}

// Len returns the number of objects.
func (s Set) Len() int { return len(s.list) }

// All returns the objects in ascending order of their handles; the caller does
// not change the result.
func (s Set) All() []*Object { return s.list }

// Get returns the object with a handle.
func (s Set) Get(handle command.Handle) (*Object, bool) {
	i, ok := s.search(handle)
	if !ok {
		return nil, false
	}
	return s.list[i], true
}

func (s Set) search(handle command.Handle) (int, bool) {
	return slices.BinarySearchFunc(s.list, handle, func(o *Object, h command.Handle) int { return cmp.Compare(o.Handle, h) })
}

// With returns the set with o added, or put in the place of the object with
// the same handle. New handles usually ascend, so that adding is an append.
func (s Set) With(o *Object) Set {
	if n := len(s.list); n == 0 || s.list[n-1].Handle < o.Handle {
		return Set{append(s.list, o)}
	}
	i, found := s.search(o.Handle)
	list := slices.Clone(s.list)
	if found {
		list[i] = o
		return Set{list}
	}
	return Set{slices.Insert(list, i, o)}
}

// Where returns the set of the objects that keep says yes to.
func (s Set) Where(keep func(*Object) bool) Set {
	list := make([]*Object, 0, len(s.list))
	for _, o := range s.list {
		if keep(o) {
			list = append(list, o)
		}
	}
	return Set{list}
}

// Without returns the set without an object.
func (s Set) Without(handle command.Handle) Set {
	return s.Where(func(o *Object) bool { return o.Handle != handle })
}

// Query is a checked search template.
type Query struct {
	label *string // the usual ones first, outside the map
	id    []byte
	hasID bool
	rest  command.Template
}

// NewQuery checks a search template. Secrets cannot be searched for:
// StatusAttributeSensitive.
func NewQuery(t command.Template) (Query, error) {
	if err := t.Check(); err != nil {
		return Query{}, err
	}
	q := Query{rest: make(command.Template, len(t))}
	for _, typ := range inOrder(t) {
		if row, _ := command.LookupAttribute(typ); row.Secret {
			return Query{}, command.StatusAttributeSensitive.With(fmt.Sprintf("objects cannot be found by %s", typ), "")
		}
		switch v := t[typ].(type) {
		case string:
			q.label = &v
		case []byte:
			if typ == command.AttrID {
				q.id, q.hasID = v, true
				continue
			}
			q.rest[typ] = v
		default:
			q.rest[typ] = v
		}
	}
	return q, nil
}

func (q *Query) matches(o *Object) bool {
	if q.label != nil && o.label != *q.label || q.hasID && !bytes.Equal(o.id, q.id) {
		return false
	}
	for typ, want := range q.rest {
		if got, ok := o.attrs[typ]; !ok || !equal(got, want) {
			return false
		}
	}
	return true
}

// Find appends to found the handles above after of matching objects, private
// ones only if asked to, until found has limit entries.
func (s Set) Find(q *Query, after command.Handle, private bool, limit int, found []command.Handle) []command.Handle {
	i, exact := s.search(after)
	if exact {
		i++
	}
	for ; i < len(s.list) && len(found) < limit; i++ {
		if o := s.list[i]; (private || !o.Private) && q.matches(o) {
			found = append(found, o.Handle)
		}
	}
	return found
}
