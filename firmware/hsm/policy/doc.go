// Package policy holds the capabilities and policies of the HSM and of its
// partition as data, and the rules by which they change.
//
// A capability is what this model can do at all; it is fixed. A policy is what
// its owner allows of that: the HSM SO for the HSM, the Partition SO for the
// partition. A policy is never less restrictive than its capability, and a
// policy of the partition never less restrictive than the HSM policy it hangs
// on. Some changes destroy what is stored.
//
//	values := policy.Defaults(policy.HSM)
//	next, destroys, err := policy.HSM.Change(values, request)
//
// Numbers, names, defaults and directions are those of Table, each with the
// evidence for it. The package knows nothing of keys or roles: what a policy
// does is in package hsm, and the column Effect says what that is.
package policy
