// Package boot is the bootloader of the device: which firmware runs, how another
// one takes its place, and how it goes back, whatever happens to the power.
//
//	b, err := boot.Open(region, boot.Config{Verifier: boot.Trusting(trust, models)})
//	image := b.Running()                    // what the device reports and can do
//
//	err = b.Begin(head, authcode, facts)    // checks everything before it erases anything
//	err = b.Chunks(i, chunk)                // in any order; durable when it returns
//	err = b.Stage()                         // verifies the whole
//	err = b.Activate()                      // then switch the device off and on
//	err = b.Confirm()                       // by the new firmware, once it runs well
//
// The region of the flash has two records, written in turn, and three slots. One
// slot holds the firmware that runs (or that is in read-only memory, as the device
// was made), one the firmware before it, and one takes what comes: nothing is ever
// copied from slot to slot, only the record says which is which. Firmware that is
// not confirmed within a few power-ons gives way to the one before. [Transitions]
// is the table of all that can happen; docs/firmware-update.md tells what is
// guaranteed, and firmware/boot/sweep proves it by cutting the power everywhere.
//
// The HSM's own state is not the bootloader's business: its caller migrates it
// after Confirm, and erases it between Rollback and Erased.
package boot
