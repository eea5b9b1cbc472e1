// Package audit is the security audit log of the HSM: what is recorded, how
// records are chained so that nobody can change them unseen, and how a chain is
// checked.
//
// The log is a sequence of records with ascending numbers. Each names its
// predecessor by the beginning of that one's code, and carries a code of its own
// under the audit secret:
//
//	code[0] = HMAC-SHA256(secret, "usbhsm7 audit log" || serial number)
//	code[n] = HMAC-SHA256(secret, number || event || code[n-1][:16])
//
// so that whoever has the secret can tell of each record by itself whether the
// HSM wrote it, and of a log what was dropped, moved or repeated, and whether its
// end is missing: see [Verifier].
//
// A [Chain] makes records; where they are kept is the caller's business. What is
// worth a record is told by a command.AuditMask, which the Auditor sets.
package audit
