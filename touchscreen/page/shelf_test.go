package page_test

import (
	"errors"
	"slices"
	"sync"

	"usbhsm7/touchscreen/page"
)

// shelf is a drawer with keys that hold nothing.
type shelf struct {
	mu      sync.Mutex
	keys    []page.Key
	changed chan struct{}
}

func newShelf(keys ...page.Key) *shelf {
	return &shelf{keys: slices.Clone(keys), changed: make(chan struct{})}
}

func (s *shelf) Keys() []page.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

func (s *shelf) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// change does something to the keys, and tells everybody unless it failed.
func (s *shelf) change(do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := do(); err != nil {
		return err
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func (s *shelf) Insert(name string) error {
	return s.change(func() error {
		if slices.ContainsFunc(s.keys, func(k page.Key) bool { return k.InPort }) {
			return errors.New("there is a key in the port already: pull it out first")
		}
		i := slices.IndexFunc(s.keys, func(k page.Key) bool { return k.Name == name })
		if i < 0 {
			return errors.New("there is no such key")
		}
		s.keys[i].InPort = true
		return nil
	})
}

func (s *shelf) Remove() error {
	return s.change(func() error {
		for i := range s.keys {
			s.keys[i].InPort = false
		}
		return nil
	})
}

func (s *shelf) Make(name, colour string) error {
	return s.change(func() error {
		s.keys = append(s.keys, page.Key{Name: name, Colour: colour})
		return nil
	})
}

// inPort returns the name of the key in the port, or "".
func (s *shelf) inPort() string {
	for _, k := range s.Keys() {
		if k.InPort {
			return k.Name
		}
	}
	return ""
}
