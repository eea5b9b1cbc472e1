// Package ring is what the people around a device have in their hands: a folder
// of iKeys, the stickers on them, and the port that one of them at a time is
// plugged into.
//
//	port := ikey.NewPort()
//	keys, err := ring.Open("state/ikeys", port, nil)
//	defer keys.Close()
//	err = keys.Make("blue-1", "blue")
//	err = keys.Insert("blue-1")
//
// A key is the file NAME.ikey, which may be copied like any file: the copy is a
// second key that no device can tell from the first. A lost one is NAME.lost.
// Stickers are in ring.json. They are for people only, and no device can read
// them. So is there how many writes a key still takes that wears out.
package ring
