package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"usbhsm7/usbip/gadgetzero"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/vhci"
)

const busID = "1-1"

// serve exports a device of its own on each address.
func serve(ctx context.Context, addresses []string) error {
	errs := make([]error, len(addresses))
	var ready, all sync.WaitGroup
	ready.Add(len(addresses))
	for i, address := range addresses {
		all.Go(func() { errs[i] = serveOne(ctx, address, ready.Done) })
	}
	ready.Wait()
	fmt.Println("serving")
	all.Wait()
	return errors.Join(errs...)
}

func serveOne(ctx context.Context, address string, ready func()) error {
	once := sync.OnceFunc(ready)
	defer once()
	gadget, err := gadgetzero.New(gadgetzero.Options{Speed: usb.SpeedHigh})
	if err != nil {
		return err
	}
	defer gadget.Close()
	s := server.New(server.Options{})
	if err := s.Export(busID, gadget.USB()); err != nil {
		return err
	}
	listener, err := socket.Listen(ctx, address, nil)
	if err != nil {
		return err
	}
	once()
	return s.Serve(ctx, listener)
}

// attach attaches a device and prints the path of its node.
func attach(ctx context.Context, address, busID string) error {
	port, err := vhci.Attach(ctx, address, busID)
	if err != nil {
		return err
	}
	port, err = vhci.Wait(ctx, port.Number)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join("/sys/bus/usb/devices", port.Local, "uevent"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "DEVNAME="); ok {
			fmt.Println("/dev/" + name)
			return nil
		}
	}
	return fmt.Errorf("device %s has no node", port.Local)
}
