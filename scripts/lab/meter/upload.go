package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"time"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/gousb"
)

// imageSize is the size of the firmware that is uploaded, bytes.
const imageSize = 1 << 20

// upload sends a firmware update of 1 MiB to an HSM, which it initialises if it is new,
// and gives it up again, several times. A first time warms up and is not told.
func upload(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("upload", flag.ContinueOnError)
	runs := flags.Int("runs", 7, "uploads")
	if err := flags.Parse(args); err != nil {
		return err
	}
	update, err := boottest.New(boottest.Image(fuf.V(7, 9, 3), 2, imageSize, 1))
	if err != nil {
		return err
	}
	device, err := hostdrv.Dial(ctx, gousb.New(), transport.Selector{Serial: flags.Arg(0)}, hostdrv.Options{Client: "meter"})
	if err != nil {
		return err
	}
	defer device.Close()
	so, err := takeOver(ctx, device)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for run := range *runs + 1 {
		began := time.Now()
		if err := so.Upload(ctx, boottest.File{Update: update}, boottest.Code[:], nil); err != nil {
			return err
		}
		rate := imageSize / large / time.Since(began).Seconds()
		if err := so.AbortUpdate(ctx); err != nil {
			return err
		}
		if run == 0 {
			continue
		}
		if err := out.Encode(sample{Load: "update-1m", Run: run, Rate: rate}); err != nil {
			return err
		}
	}
	return nil
}

// takeOver initialises the HSM, unless it did before, and logs in as its SO.
func takeOver(ctx context.Context, d *hostdrv.Device) (*hostdrv.Session, error) {
	password := []byte("so-password")
	so, err := d.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	if err != nil {
		return nil, err
	}
	err = so.InitHSM(ctx, command.HSMInitRequest{Label: "meter", Password: password})
	if err != nil && !errors.Is(err, command.StatusUserNotLoggedIn) {
		return nil, err
	}
	return so, so.Login(ctx, command.RoleSO, password)
}
