// Package record knows the framed protocol where it is recorded and replayed:
// what of it is secret, and what differs from one run to the next.
//
//	c := tap.Start(sink, capture.Options{Redact: record.NewRedactor().Redact})
//
// A Redactor keeps the headers of frames, so lengths, tags, commands and
// statuses stay readable, and blanks payloads, byte for byte. It shows a payload
// only if all of this is so:
//
//   - the command table says that it is open (command.Row), or it is that of a
//     HELLO, an event or an error, which never hold secrets;
//   - it lies whole in one frame and one URB;
//   - it decodes to what such a payload is.
//
// Whatever it does not understand it blanks: garbage, the rest of a transfer
// behind it, answers to requests it did not see, and data of control requests
// other than those that read descriptors and the like.
package record
