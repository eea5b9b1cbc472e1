// Package vault keeps the HSM's records encrypted in the store, and forgets
// all of them at once when told to.
//
// Three keys stand above a record:
//
//	master tamper key     in the store's effaceable region, in clear
//	key encryption key    sealed under the master tamper key
//	general storage key   follows from the key encryption key; seals the records
//
// Every record is sealed with AES-256-GCM, bound to its name. A generation is
// what one key encryption key can read; its identifier stands before the name of
// each record:
//
//	9b1c66e07a215f04/role/so
//
// Replace starts a new generation under a new master tamper key: it writes the
// records of the new one beside the old ones, replaces the master tamper key,
// which makes the old ones unreadable, and only then deletes them.
//
// Suspend does the same but for the end: the old records stay where they are,
// unreadable, and so does their key encryption key, sealed under a key that the
// caller can find again but the flash does not hold. Resume goes back to them.
//
// A power cut before the master tamper key is replaced leaves the old generation,
// one after it the new one; Bury clears away what no key opens any more.
package vault
