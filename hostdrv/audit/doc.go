// Package audit keeps the audit log of a device on the host: it takes records
// from the device, writes them to files, sends them to a log server, and has a
// device check them.
//
//	log, err := audit.Open("/var/log/usbhsm7", serial)
//	err = audit.Collect(ctx, session, log, audit.Options{Follow: true})
//
// A record leaves the device only when it is safely in a file: Collect writes,
// forwards, and only then acknowledges. A crash in between makes it take records
// twice, which Log notices; none is lost.
//
// The files are text, one record to a line, for people and for grep, and at the
// end of each line the encoded record. [ReadFiles] reads it and compares the text
// with it, and [Verify] has a device of the same audit domain check it.
package audit
