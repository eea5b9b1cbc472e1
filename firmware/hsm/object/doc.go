// Package object holds what a partition stores as PKCS#11 objects: data,
// certificates and keys. It knows which attributes an object of a class has, what a
// template may ask for, what may be read and changed, what stands against the use
// of a key, how an object is written to storage, and how a set of objects is searched.
//
//	draft, err := object.Make(spec, template)            // check a template, fill in defaults
//	o := draft.Object(handle, 0, value, unique)          // with its key material
//	set = set.With(o)                                    // a new set; readers keep the old one
//	found := set.Find(&query, 0, private, limit, found)  // by label or id at once, by others one by one
//
// Which attributes there are, and which way they may change, is data: the table
// command.Attributes, and presences and kinds here. An Object never changes
// after it is made, but for the count of its uses, and a Set never changes at
// all: a change gives a new one. Readers therefore need no lock.
package object
