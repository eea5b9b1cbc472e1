// Package object holds keys as PKCS#11 objects: which attributes an object of
// a class has, what a template may ask for, what may be read and changed, how
// an object is written to storage, and how a set of objects is searched.
//
//	made, err := object.Make(spec, template)   // check a template, fill in defaults
//	o := made.Object(handle, value)            // with its key material
//	set = set.With(o)                          // a new set; readers keep the old one
//
// An Object never changes after it is made and a Set never changes at all:
// a change gives a new one. Readers therefore need no lock.
package object
