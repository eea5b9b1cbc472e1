package main

import (
	"fmt"
	"net/http"
	"path/filepath"

	"usbhsm7/firmware/control"
	"usbhsm7/ikey"
	"usbhsm7/ikey/ring"
)

// openIKeys takes the unit's iKeys out of their folder, into reach of its port.
func (u *unit) openIKeys() (err error) {
	u.port = ikey.NewPort()
	u.reader = ikey.NewReader(u.port)
	seed := u.options.seedBytes()
	switch path := u.options.ikeys; {
	case path != "":
		u.keys, err = ring.Open(path, u.port, seed)
	case u.options.ephemeral:
		u.keys = ring.New(u.port, seed)
	default:
		u.keys, err = ring.Open(filepath.Join(u.options.stateDir, "ikeys"), u.port, seed)
	}
	return err
}

// handleIKeys adds the requests about iKeys and the port:
//
//	GET    /ikeys          each control.IKey
//	POST   /ikeys          a control.NewIKey
//	PATCH  /ikeys/{name}   a control.IKeyChange
//	GET    /port           a control.Plugged
//	PUT    /port           a control.Plugged, to go in instead of what is there
//	DELETE /port           what is there is pulled out
//
// All but GET /port answer with each control.IKey.
func (u *unit) handleIKeys(s *control.Server) {
	s.Handle("GET /ikeys", u.listIKeys)
	s.Handle("POST /ikeys", u.makeIKey)
	s.Handle("PATCH /ikeys/{name}", u.changeIKey)
	s.Handle("GET /port", func(w http.ResponseWriter, _ *http.Request) error {
		return control.Reply(w, control.Plugged{Key: u.keys.InPort()})
	})
	s.Handle("PUT /port", func(w http.ResponseWriter, r *http.Request) error {
		var plugged control.Plugged
		if err := readRequest(w, r, &plugged); err != nil {
			return err
		}
		return u.replyIKeys(w, r, u.front().Insert(r.Context(), plugged.Key))
	})
	s.Handle("DELETE /port", func(w http.ResponseWriter, r *http.Request) error {
		return u.replyIKeys(w, r, u.keys.Remove())
	})
}

func (u *unit) listIKeys(w http.ResponseWriter, _ *http.Request) error {
	keys, err := u.keys.Keys()
	if err != nil {
		return err
	}
	list := make([]control.IKey, 0, len(keys))
	for _, k := range keys {
		list = append(list, control.IKey(k))
	}
	return control.Reply(w, list)
}

// replyIKeys lists the iKeys, unless err says what is wrong with the request.
func (u *unit) replyIKeys(w http.ResponseWriter, r *http.Request, err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", control.ErrRequest, err)
	}
	return u.listIKeys(w, r)
}

func (u *unit) makeIKey(w http.ResponseWriter, r *http.Request) error {
	var request control.NewIKey
	if err := readRequest(w, r, &request); err != nil {
		return err
	}
	if request.CopyOf != "" {
		return u.replyIKeys(w, r, u.keys.Copy(request.CopyOf, request.Name))
	}
	return u.replyIKeys(w, r, u.keys.Make(request.Name, request.Colour))
}

func (u *unit) changeIKey(w http.ResponseWriter, r *http.Request) error {
	var change control.IKeyChange
	if err := readRequest(w, r, &change); err != nil {
		return err
	}
	return u.replyIKeys(w, r, u.applyToIKey(r.PathValue("name"), change))
}

// applyToIKey does all that a change says.
func (u *unit) applyToIKey(name string, c control.IKeyChange) error {
	keys := u.keys
	for _, do := range []struct {
		wanted bool
		do     func() error
	}{
		{c.Colour != nil || c.Text != nil, func() error { return u.relabel(name, c) }},
		{c.Damage, func() error { return keys.Damage(name) }},
		{c.Wear != nil, func() error { return keys.Wear(name, *c.Wear) }},
		{c.PullAfter != nil, func() error { return keys.PullAfter(name, *c.PullAfter) }},
		{c.Lost != nil && *c.Lost, func() error { return keys.Lose(name) }},
		{c.Lost != nil && !*c.Lost, func() error { return keys.Find(name) }},
		{c.Name != "", func() error { return keys.Rename(name, c.Name) }},
	} {
		if !do.wanted {
			continue
		}
		if err := do.do(); err != nil {
			return err
		}
	}
	return nil
}

// relabel puts another sticker on a key; what the change does not say stays.
func (u *unit) relabel(name string, c control.IKeyChange) error {
	all, err := u.keys.Keys()
	if err != nil {
		return err
	}
	var colour, text string
	for _, k := range all {
		if k.Name == name {
			colour, text = k.Colour, k.Text
		}
	}
	if c.Colour != nil {
		colour = *c.Colour
	}
	if c.Text != nil {
		text = *c.Text
	}
	return u.keys.Sticker(name, colour, text)
}
