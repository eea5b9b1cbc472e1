// Package ceremony holds key ceremonies: what people, one after the other, do at
// the screen of a device and what a host asks of it meanwhile, written down in a
// file before the day (docs/ceremonies.md).
//
//	c, err := ceremony.Read("initialise.yaml", dialogue.Screens())
//	runner := ceremony.Runner{Ceremony: c, Simulator: client, Host: hsm7, Folder: folder, Pictures: true}
//	record := runner.NewRecord()
//	err = runner.Run(ctx, record, 1)
//	err = record.Save(folder)
//
// A ceremony is carried out by nobody, for tests and rehearsals; or by people at
// the screen, whom the runner tells step by step what to do. In rehearsals things
// go wrong on purpose. Either way it is recorded: each step, each screen with its
// picture, and digests of the state of the device and of the files that were made;
// no PIN, no secret. A [Record] makes a report to print and to sign.
package ceremony
