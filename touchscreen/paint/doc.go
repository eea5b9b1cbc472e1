// Package paint draws: rounded boxes, lines of text in the Go fonts, and icons
// that are tables of strokes. It knows nothing of screens. The same calls always
// make the same picture, bit for bit.
//
// Coordinates are pixels from the top left corner.
package paint
