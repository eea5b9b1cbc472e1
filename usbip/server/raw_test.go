package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// counter sends the numbers 0, 1, 2, ... in transfers of various lengths.
func counter(ctx context.Context, d *usb.Device) {
	next := uint32(0)
	for ctx.Err() == nil {
		var p []byte
		for range 1 + next*7%200 {
			p = binary.BigEndian.AppendUint32(p, next)
			next++
		}
		if d.In(usbtest.BulkIn).Write(ctx, p) != nil {
			return
		}
	}
}

// TestAnyOrderOfSubmitAndUnlinkKeepsVHCIContent sends SUBMITs and UNLINKs in any
// order, UNLINKs also before their SUBMITs, twice, and for numbers that never
// were, against a busy device. Everything gets the answer that it must have.
func TestAnyOrderOfSubmitAndUnlinkKeepsVHCIContent(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		messages := rapid.Permutation(drawRequests(r)).Draw(r, "order")
		if err := playRaw(t, messages); err != nil {
			r.Fatal(err)
		}
	})
}

// playRaw sends messages to a server and has a judge hear the answers.
func playRaw(t *testing.T, messages [][]byte) (err error) {
	synctest.Test(t, func(t *testing.T) {
		d := usbtest.NewDevice(t)
		host := servePipes(t, wide, d).dial(t)
		defer host.Close()
		host.importDevice()
		host.configure()
		ctx, cancel := context.WithCancel(context.Background())
		var functions sync.WaitGroup
		defer functions.Wait()
		defer cancel()
		functions.Go(func() { sink(d)(ctx) })
		functions.Go(func() { counter(ctx, d) })

		judge := oracle.NewJudge()
		for _, m := range messages {
			judge.Request(m)
		}
		functions.Go(func() { _, _ = host.Write(bytes.Join(messages, nil)) })
		buffer := make([]byte, 4096)
		for !judge.Answered() && err == nil {
			n, _ := host.Read(buffer)
			_, err = judge.Replies(buffer[:n])
			if n == 0 {
				err = errors.New("the server closed the connection")
			}
		}
		if breaches := judge.Breaches(); err == nil && len(breaches) > 0 {
			err = breaches[0]
		}
	})
	return err
}

// drawRequests makes requests of which every URB that would stay pending has an
// UNLINK. Their numbers wrap around.
func drawRequests(r *rapid.T) (messages [][]byte) {
	first := rapid.SampledFrom([]uint32{0, 1<<31 - 5, 1<<32 - 5}).Draw(r, "first")
	for i := range uint32(rapid.IntRange(1, 30).Draw(r, "URBs")) {
		seq := first + i
		endpoint := rapid.SampledFrom([]uint8{usbtest.BulkIn, usbtest.BulkOut, usbtest.InterruptIn, 0x80, 0x0d}).Draw(r, "endpoint")
		length := rapid.IntRange(0, 2000).Draw(r, "length")
		message := submit(seq, endpoint, usb.Setup{RequestType: usb.DirIn, Request: usb.GetConfiguration, Length: 1}, int32(length))
		if endpoint&usb.DirIn == 0 {
			message = append(message, make([]byte, length)...)
		}
		messages = append(messages, message)
		unlinks := rapid.IntRange(0, 2).Draw(r, "UNLINKs")
		if endpoint == usbtest.InterruptIn || endpoint == usbtest.BulkIn {
			unlinks = max(unlinks, 1)
		}
		for n := range uint32(unlinks) {
			messages = append(messages, unlink(seq+1000*(n+1), seq))
		}
	}
	if rapid.Bool().Draw(r, "stray UNLINK") {
		messages = append(messages, unlink(first+5000, first+6000))
	}
	return messages
}
