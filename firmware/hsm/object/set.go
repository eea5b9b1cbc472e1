package object

import (
	"iter"

	"usbhsm7/firmware/command"
)

// Set is an immutable collection of objects. The zero Set is empty. A lookup, a
// search by label or id, an addition and a removal take a time that grows with
// the logarithm of the size; any other search looks at every object.
//
// Sets share memory, and none of it ever changes: readers may keep any set.
type Set struct {
	size     int
	byHandle *tree
	byLabel  *tree // all have one
	byID     *tree // those that have one
}

// NewSet returns the set of list.
func NewSet(list []*Object) Set {
	handles, labels, ids := make([]tree, 0, len(list)), make([]tree, 0, len(list)), make([]tree, 0, len(list))
	for _, o := range list {
		handles = append(handles, tree{object: o})
		labels = append(labels, tree{key: o.label(), object: o})
		if id, ok := o.id(); ok {
			ids = append(ids, tree{key: id, object: o})
		}
	}
	return Set{len(list), plant(handles), plant(labels), plant(ids)}
}

func (o *Object) label() string { return o.attrs.Text(command.AttrLabel) }

func (o *Object) id() (string, bool) {
	id, ok := o.attrs[command.AttrID].([]byte)
	return string(id), ok
}

// Len returns the number of objects.
func (s Set) Len() int { return s.size }

// All iterates over the objects in ascending order of their handles.
func (s Set) All() iter.Seq[*Object] {
	return func(yield func(*Object) bool) {
		for _, o := range s.byHandle.after("", 0) {
			if !yield(o) {
				return
			}
		}
	}
}

// Get returns the object with a handle.
func (s Set) Get(handle command.Handle) (*Object, bool) {
	o := s.byHandle.get("", handle)
	return o, o != nil
}

// With returns the set with o added, or put in the place of the object with
// the same handle.
func (s Set) With(o *Object) Set {
	s = s.Without(o.Handle)
	s.size++
	s.byHandle = s.byHandle.with("", o)
	s.byLabel = s.byLabel.with(o.label(), o)
	if id, ok := o.id(); ok {
		s.byID = s.byID.with(id, o)
	}
	return s
}

// Without returns the set without an object.
func (s Set) Without(handle command.Handle) Set {
	o, ok := s.Get(handle)
	if !ok {
		return s
	}
	s.size--
	s.byHandle = s.byHandle.without("", handle)
	s.byLabel = s.byLabel.without(o.label(), handle)
	if id, ok := o.id(); ok {
		s.byID = s.byID.without(id, handle)
	}
	return s
}

// Where returns the set of the objects that keep says yes to.
func (s Set) Where(keep func(*Object) bool) Set {
	var list []*Object
	for o := range s.All() {
		if keep(o) {
			list = append(list, o)
		}
	}
	return NewSet(list)
}
