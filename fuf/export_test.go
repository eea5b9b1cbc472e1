package fuf

// What the makers of bad files need: the signers are theirs, the format is not
// kept.

// Encode is deterministic CBOR.
var Encode = encode

// Parts cuts a file that is sound in its four parts.
func Parts(file []byte) (signed, proof, table, chunks []byte, err error) {
	p, err := parsePreamble(file)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	parts, err := split(file[:p.head()])
	return parts.signed, parts.proof, parts.table, file[p.head():], err
}

// Assemble puts parts together under a preamble that fits them.
var Assemble = assemble

// Describe is Build for a release whose size and digest are given.
var Describe = describe

// Forge replaces the manifest by other bytes, and drops the signatures.
func Forge(d *Draft, manifest []byte) { d.encoded, d.signatures = manifest, nil }

// Decapsulate returns the secret that is encapsulated for the models.
var Decapsulate = decapsulate

// Secrets returns the keys of the chunks and of the tags.
func (k *Key) Secrets() (chunk, tag []byte) { return k.chunk, k.tag }
