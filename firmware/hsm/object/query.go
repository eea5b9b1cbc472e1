package object

import (
	"time"

	"usbhsm7/firmware/command"
)

// Query is a checked search template.
type Query struct {
	Now time.Time // for attributes that depend on it

	label, id *string   // for the indexes; nil: any
	want      []wanting // ordered by attribute
}

type wanting struct {
	typ   command.AttributeType
	value any
}

// NewQuery checks a search template. Secrets cannot be searched for:
// StatusAttributeSensitive.
func NewQuery(t command.Template) (Query, error) {
	if err := t.Check(); err != nil {
		return Query{}, err
	}
	class, ok := t.Uint(command.AttrClass)
	open := ok && !onHidden.has(class)
	q := Query{want: make([]wanting, 0, len(t))}
	for _, typ := range inOrder(t) {
		if row, _ := command.LookupAttribute(typ); row.Secret && !open {
			return Query{}, command.StatusAttributeSensitive.Withf("keys cannot be found by %s", typ)
		}
		switch v := t[typ].(type) {
		case string:
			if typ == command.AttrLabel {
				q.label = &v
			}
		case []byte:
			if id := string(v); typ == command.AttrID {
				q.id = &id
			}
		}
		q.want = append(q.want, wanting{typ, t[typ]})
	}
	return q, nil
}

func (q *Query) matches(o *Object, now time.Time) bool {
	for _, w := range q.want {
		if got, ok := o.attribute(w.typ, now); !ok || !equal(got, w.value) {
			return false
		}
	}
	return true
}

// Find appends to found the handles above after of matching objects in
// ascending order, private ones only if asked to, until found has limit entries.
func (s Set) Find(q *Query, after command.Handle, private bool, limit int, found []command.Handle) []command.Handle {
	index, key := s.byHandle, ""
	if q.label != nil {
		index, key = s.byLabel, *q.label
	} else if q.id != nil {
		index, key = s.byID, *q.id
	}
	for at, o := range index.after(key, after) {
		if at != key || len(found) >= limit {
			break
		}
		if (private || !o.Private) && q.matches(o, q.Now) {
			found = append(found, o.Handle)
		}
	}
	return found
}
