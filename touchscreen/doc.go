// Package touchscreen is the screen of the device: what it shows, how that is
// drawn, and what a person touches. It knows nothing of what it is about: the
// firmware's dialogues say what to show and make sense of the answers.
//
//	panel, err := touchscreen.New(clock.Now)
//	panel.Show(touchscreen.Screen{Kind: touchscreen.PIN, Title: "PIN of the iKey", Min: 4, Max: 48})
//	answer := <-panel.Answers()
//	defer clear(answer.Digits)
//
// A person is on the other side, with a finger or a keyboard:
//
//	panel.Touch(240, 740)
//	panel.Press("Enter")
//
// A Screen is laid out as a list of parts. The picture, the areas that can be
// touched and the names that a screen reader says all come from that list, so
// that they cannot differ.
//
// Which digits were typed is seen nowhere: not in the picture, which does not
// even show the key under the finger, and not in the text. They are wiped when the
// screen is answered or replaced.
package touchscreen
