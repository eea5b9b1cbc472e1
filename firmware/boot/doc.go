// Package boot is the bootloader of the device: which firmware runs, how another
// one takes its place, and how it goes back.
package boot
