// Package touchscreen is the screen of the device: what it shows, how that is
// drawn, and what a person touches. It knows nothing of what it is about: the
// firmware's dialogues say what to show and make sense of the answers.
package touchscreen
