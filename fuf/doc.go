// Package fuf is the format of the device's update files: firmware updates
// (FUF), capability updates (CUF) and functional modules (FM). It builds, signs,
// inspects, verifies and decrypts them.
//
// A device verifies the head of a file whole before it takes anything else, and
// then chunk after chunk, in any order, each before it is written to flash:
//
//	size, err := fuf.HeadSize(first) // the first PreambleSize bytes
//	update, err := fuf.Open(head, trust)
//	key, err := update.Unlock(modelKey, authcode)
//	err = update.VerifyChunk(i, chunk)
//	plain, err = key.Decrypt(plain[:0], i, chunk)
//
// A host that has the whole file uses OpenFile. An author calls Build, then
// Draft.Sign with an Ed25519 and with an ML-DSA-65 key, and Draft.Bytes.
//
// Every refusal is an error that carries a Reason, and nothing in a file goes
// unverified: a file that Open and VerifyChunk accept is, byte for byte, one that
// its signers and its log made. docs/fuf-format.md is the specification, and
// testdata holds vectors that any implementation can run.
package fuf
