// Package transfers updates an assembled device over its USB port, and lets each
// transfer of that go wrong in each way that transfers can.
//
//	result, err := transfers.Run(ctx, transfers.Options{Subject: subject})
//
// The update is played once to count its transfers. Then it is played again for each
// transfer and each [Fault]: the host does what hosts do, that is say HELLO again or
// enumerate the device again, and goes on with the update. It must find every chunk
// that was acknowledged, and at most the one more that was on its way; in the end the
// new firmware runs, and the HSM is as it was.
package transfers
