package object

import (
	"cmp"
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
