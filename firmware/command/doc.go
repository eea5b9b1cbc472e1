// Package command is the vocabulary that host and device share: command
// numbers, request and response types, attributes, mechanisms, status codes
// and events, with the tables that describe them.
//
// Rows is the heart. Each command is one row that says what it needs, who may
// run it and what its payloads are. The device dispatches by it, the driver
// has one method for each row, and docs/protocol.md has one section for each.
// Payloads are deterministic CBOR maps with integer keys; Marshal and
// Unmarshal are the only way in and out.
package command
