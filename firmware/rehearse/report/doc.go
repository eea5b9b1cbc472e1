// Package report is what a rehearsal of a firmware update writes: JSON for machines,
// JUnit for what shows tests, and one HTML page for people, which needs nothing else.
//
//	err := report.Write(dir) // rehearsal.json, rehearsal.xml, rehearsal.html
//
// A [Report] follows from the file, the device, the seed and the depth. It holds no
// time and nothing of the machine: the same rehearsal gives the same bytes.
package report
