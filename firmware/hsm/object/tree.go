package object

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"usbhsm7/firmware/command"
)

// tree is an immutable search tree of objects, ordered by a key and among equal
// keys by handle; nil is the empty one. It is a treap (Seidel and Aragon, 1996)
// whose priorities follow from the handles, so that its shape depends on what is
// in it and on nothing else. Changes copy the path to the root, about twice
// the logarithm of the size, and share the rest.
type tree struct {
	key         string
	object      *Object
	left, right *tree
}

// priority scatters handles (the finaliser of SplitMix64).
func priority(handle command.Handle) uint64 {
	x := uint64(handle) + 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

func (t *tree) above(u *tree) bool {
	return priority(t.object.Handle) > priority(u.object.Handle)
}

// order compares the place of a key and handle with that of the root.
func (t *tree) order(key string, handle command.Handle) int {
	if c := strings.Compare(key, t.key); c != 0 {
		return c
	}
	return cmp.Compare(handle, t.object.Handle)
}

// get returns the object at a place, nil if there is none.
func (t *tree) get(key string, handle command.Handle) *Object {
	for t != nil {
		switch c := t.order(key, handle); {
		case c == 0:
			return t.object
		case c < 0:
			t = t.left
		default:
			t = t.right
		}
	}
	return nil
}

// with returns the tree with o under a key, in the place of an object that has
// the same key and handle.
func (t *tree) with(key string, o *Object) *tree {
	if t == nil {
		return &tree{key: key, object: o}
	}
	fresh := *t
	switch c := t.order(key, o.Handle); {
	case c == 0:
		fresh.object = o
	case c < 0:
		if fresh.left = t.left.with(key, o); fresh.left.above(&fresh) {
			return fresh.liftLeft()
		}
	default:
		if fresh.right = t.right.with(key, o); fresh.right.above(&fresh) {
			return fresh.liftRight()
		}
	}
	return &fresh
}

// liftLeft makes the left child the root. Both are copies that nobody else has.
func (t *tree) liftLeft() *tree {
	l := t.left
	t.left, l.right = l.right, t
	return l
}

func (t *tree) liftRight() *tree {
	r := t.right
	t.right, r.left = r.left, t
	return r
}

// without returns the tree without the object at a place.
func (t *tree) without(key string, handle command.Handle) *tree {
	if t == nil {
		return nil
	}
	fresh := *t
	switch c := t.order(key, handle); {
	case c == 0:
		return join(t.left, t.right)
	case c < 0:
		fresh.left = t.left.without(key, handle)
	default:
		fresh.right = t.right.without(key, handle)
	}
	return &fresh
}

// join returns the union of two trees, all of a before all of b.
func join(a, b *tree) *tree {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.above(b):
		fresh := *a
		fresh.right = join(a.right, b)
		return &fresh
	}
	fresh := *b
	fresh.left = join(a, b.left)
	return &fresh
}

// after iterates over the objects behind a place, in order.
func (t *tree) after(key string, handle command.Handle) iter.Seq2[string, *Object] {
	return func(yield func(string, *Object) bool) { t.walk(key, handle, yield) }
}

func (t *tree) walk(key string, handle command.Handle, yield func(string, *Object) bool) bool {
	switch {
	case t == nil:
		return true
	case t.order(key, handle) >= 0: // the root and all before it are not behind the place
		return t.right.walk(key, handle, yield)
	}
	return t.left.walk(key, handle, yield) && yield(t.key, t.object) && t.right.walk(key, handle, yield)
}

// plant makes a tree of many objects at once; it sorts list.
func plant(list []tree) *tree {
	slices.SortFunc(list, func(a, b tree) int { return b.order(a.key, a.object.Handle) })
	var spine []*tree // from the root to the right
	for i := range list {
		fresh := &list[i]
		for len(spine) > 0 && fresh.above(spine[len(spine)-1]) {
			fresh.left = spine[len(spine)-1]
			spine = spine[:len(spine)-1]
		}
		if len(spine) > 0 {
			spine[len(spine)-1].right = fresh
		}
		spine = append(spine, fresh)
	}
	if len(spine) == 0 {
		return nil
	}
	return spine[0]
}
