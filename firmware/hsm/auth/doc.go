// Package auth turns passwords, and what is on iKeys, into keys. A Credential is
// what the device stores of a role: a secret sealed under a key that only the
// role's password yields. There is no other verifier: a password is right if, and only if, the
// seal opens.
//
// Seal writes, Open checks; CheckPassword says whether a new password keeps
// the rules. Neither counts attempts: the caller makes the count durable before
// it calls Open.
package auth
