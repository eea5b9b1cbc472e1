package object

import (
	"maps"

	"usbhsm7/firmware/command"
)

// Changed returns a copy of the object with new attribute values. Errors carry
// StatusAttributeReadOnly if the object or an attribute cannot be changed in this
// way, and otherwise the statuses of Make and Attributes.
func (o *Object) Changed(t command.Template) (*Object, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if len(t) == 0 {
		return nil, command.StatusTemplateIncomplete.With("no attribute to change", "")
	}
	if !o.attrs.Bool(command.AttrModifiable, false) {
		return nil, command.StatusAttributeReadOnly.With("the object is not modifiable", "")
	}
	changed := o.clone()
	return changed, changed.apply(t, false)
}

// Copied returns the attributes of the object with those of a template in their
// place, as a draft of another object, and the key material that goes with it.
// An object that is not modifiable can be copied as it is, and into another
// place. Errors are those of Changed; StatusOperationRestricted says that the
// object is not copyable.
func (o *Object) Copied(t command.Template) (Draft, []byte, error) {
	if err := t.Check(); err != nil {
		return Draft{}, nil, err
	}
	if !o.attrs.Bool(command.AttrCopyable, true) {
		return Draft{}, nil, command.StatusOperationRestricted.With("the object is not copyable", "")
	}
	copied := o.clone()
	if err := copied.apply(t, true); err != nil {
		return Draft{}, nil, err
	}
	if onHidden.has(o.Class()) && !copied.attrs.Bool(command.AttrPrivate, false) {
		return Draft{}, nil, command.StatusTemplateInconsistent.With("private and secret keys are private objects", "leave private out")
	}
	return Draft{attrs: copied.attrs, auth: o.auth}, append([]byte(nil), o.value...), nil
}

func (o *Object) clone() *Object {
	c := *o
	c.attrs = maps.Clone(o.attrs)
	return &c
}

// apply changes attributes of an object that nobody else has yet.
func (o *Object) apply(t command.Template, copying bool) error {
	for _, typ := range inOrder(t) {
		if err := o.mayChange(typ, t[typ], copying); err != nil {
			return err
		}
	}
	maps.Copy(o.attrs, t)
	if o.attrs.Bool(command.AttrExtractable, false) {
		o.attrs[command.AttrNeverExtractable] = false
	}
	o.index()
	return checkDates(o.attrs)
}

func (o *Object) mayChange(typ command.AttributeType, value any, copying bool) error {
	row, _ := command.LookupAttribute(typ)
	now, set := o.attrs[typ]
	switch {
	case copying && row.Given.Has(command.OriginCopy):
		return nil
	case copying && set && equal(now, value):
		return nil // a copy may say what it is
	case row.Change == command.Fixed:
		return command.StatusAttributeReadOnly.Withf("%s cannot be changed", typ)
	case !presences[typ].has(o.Class(), o.keyType()):
		return o.lacks(typ)
	case copying && !o.attrs.Bool(command.AttrModifiable, false):
		return command.StatusAttributeReadOnly.With("the object is not modifiable", "")
	case row.Change == command.OnlyTrue && value == false && now == true,
		row.Change == command.OnlyFalse && value == true && now != true:
		return command.StatusAttributeReadOnly.Withf("%s can only change %s", typ, row.Change)
	}
	return checkValue(typ, value)
}
