// Package hsm is the HSM itself: a state machine of roles, partition, sessions
// and keys that is driven by commands.
//
//	h, err := hsm.Open(hsm.Config{Store: records, Entropy: rand.Reader, Serial: "7000001"})
//	host := h.Connect()                                   // one host; closes at the next HELLO
//	status, answer := host.Execute(ctx, code, session, payload)
//
// Execute looks the command up in command.Rows, authorises it by its row,
// decodes the payload, runs the handler and encodes the answer. A handler
// checks and computes without any lock and then hands its change to update,
// the one writer: there it is authorised again, made durable and only then
// published. So signing, encrypting and reading never wait for a change, nor
// for each other: they work on immutable states and objects.
//
// Everything comes in through Config. The package starts no goroutine, reads
// no clock and opens no file; with the same entropy, store and commands it
// does the same, except that Go makes asymmetric keys and ECDSA nonces from
// the system's random numbers whatever reader it is given.
//
// What the unit itself meets comes in beside the hosts: Tamper is what a sensor
// finds. It may lock the HSM, or destroy what is in it; the tables of erase.go and
// halt.go say what remains, and which commands still work.
//
// With quorum authentication secrets come from iKeys: the HSM asks the people in
// front of the device through TrustedPath. That may take minutes, so no lock is held
// meanwhile, and whatever was checked before is checked again. A keyset takes the
// place of a password in all else: in credentials, attempts and effects.
//
// What is written where, and under which key, is told in docs/security.md and
// in the packages vault and auth; keys as PKCS#11 objects are in object, their
// mechanisms in mech.
//
// # Where to look
//
// A command goes through host, authorise, handlers, update, state and refusal.
// The other files, by what they are about:
//
//	life of the HSM        lifecycle, settle, swap, erase, clock, device, metrics
//	sessions and logins    session, login, entry, authenticate, role, limit, secret
//	people with iKeys      trustedpath, attend, challenge, activation
//	policies               policies, keypolicy, approved
//	objects and keys       object, create, generate, derive, wrap, storage
//	uses of keys           operate, multipart, usage, keyauth
//	tampering, transport   tamper, halt, transport
//	audit log              audit, auditlog, event
//	firmware               firmware, firmwareupdate, bootloader, convert, licence
//	functional modules     module, modulecall
package hsm
