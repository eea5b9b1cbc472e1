// Package share divides a secret among several iKeys, so that some number of
// them gives it back and fewer tell nothing of it.
//
// It has two floors. [Split] and [Combine] are the arithmetic: Shamir's scheme
// ("How to share a secret", Communications of the ACM 22, 1979) for each byte of
// the secret, over the field of AES. They cannot know a wrong share from a right
// one. [Make] and [Open] are what devices use: they give each share a place in a
// named set and refuse every set of keys that is not whole, not of one piece or
// not the one that was made:
//
//	keys, err := share.Make(plan, secret, entropy)
//	...
//	err = share.Join(inserted, next) // is it a new key of the same set?
//	secret, err = share.Open(inserted)
//
// The arithmetic takes the same time whatever the secret: no branch and no
// address in it depends on a byte of a share. Places of shares, their number and
// the length of the secret are public.
package share
