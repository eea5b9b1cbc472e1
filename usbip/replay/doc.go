// Package replay turns a recording of a device into a device: a usb.Port that
// answers as the recorded one did, as long as its host does what the recorded
// host did. It needs no knowledge of what the device is.
//
//	packets, err := capture.NewReader(file)
//	record, err := replay.Load(packets, replay.Options{})
//	device := replay.New(record, replay.Exact{})
//	server.Export("1-1", device)
//	<-device.Done()
//	report := device.Report()
//
// # What the host has to do
//
// Control transfers must come in the recorded order with the recorded setup
// packets, and OUT transfers in the recorded order on each endpoint with the
// recorded data; a Rule says what in the data may differ. Whatever is left to
// chance on a bus is free: how many IN URBs wait on an endpoint and how long
// they are, how transfers of different endpoints interleave, and when URBs that
// brought nothing are cancelled.
//
// # What the device does
//
// Control and OUT transfers end at once, as they ended in the recording. An IN
// transfer is answered by the next recorded one of its endpoint, as soon as the
// host has sent everything that it had sent before that answer. Where there is
// no answer, the endpoint NAKs. A URB that the recorded host cancelled waits to
// be cancelled again. Where the recording says that the device was unplugged, it
// unplugs.
//
// On the first thing that the host does differently the device unplugs for good:
// nothing that it could say from then on would be true. Report names the packet
// in the file, what was expected and what came instead.
//
// A host that keeps several requests in flight sends some of them before or after
// an answer as chance will have it. If it waits for an answer that was recorded
// after a request which it has not sent yet, neither side goes on; Report then
// tells what the device waits for.
package replay
