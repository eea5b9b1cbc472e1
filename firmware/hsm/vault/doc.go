// Package vault keeps the HSM's records encrypted in the store, and forgets
// all of them at once when told to.
//
// Every record is sealed with AES-256-GCM under a record key that is derived
// from the root key in the store's effaceable region. Its name is bound to it.
// A generation is what one root key can read; its identifier stands before the
// name of each record:
//
//	9b1c66e07a215f04/role/so
//
// Replace starts a new generation: it writes the records of the new one beside
// the old ones, replaces the root key, which makes the old ones unreadable, and
// only then deletes them. A power cut before the root key is replaced leaves
// the old generation, one after it the new one; Open clears away what belongs
// to any other.
//
// The chain root key, record key, record has room for more links: only derive
// knows how one follows from the other.
package vault
