// Command probe talks to a USB device through Linux's usbfs alone, without any
// library, so that the lab sees the kernel's own answers.
//
//	probe control NODE TYPE REQUEST VALUE INDEX LENGTH   print the data of an IN control request, in hex
//	probe read NODE ENDPOINT                             wait for a transfer on an IN endpoint of interface 0
//	probe usbtest NODE CASE ITERATIONS LENGTH VARY QUEUE have the module usbtest run a case, print how long it took
//
// NODE is a path like /dev/bus/usb/001/002; numbers may be decimal or 0x
// hexadecimal. read prints "waiting" once the kernel has the transfer, and then
// the status it ends with.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"usbhsm7/scripts/lab/usbfs"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("no request: probe control, read or usbtest, and the node of a device")
	}
	device, err := usbfs.Open(args[1])
	if err != nil {
		return err
	}
	defer device.Close()
	if args[0] == "usbtest" && len(args) == 7 {
		return usbtest(device, args[2:])
	}
	numbers, err := parse(args[2:])
	if err != nil {
		return err
	}
	switch {
	case args[0] == "control" && len(numbers) == 5:
		return control(device, usbfs.Setup{
			RequestType: uint8(numbers[0]), Request: uint8(numbers[1]),
			Value: numbers[2], Index: numbers[3], Length: numbers[4],
		})
	case args[0] == "read" && len(numbers) == 1:
		return read(device, uint8(numbers[0]))
	}
	return fmt.Errorf("%s with %d numbers", args[0], len(numbers))
}

func parse(args []string) ([]uint16, error) {
	var numbers []uint16
	for _, a := range args {
		n, err := strconv.ParseUint(a, 0, 16)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, uint16(n))
	}
	return numbers, nil
}

func control(device *usbfs.Device, s usbfs.Setup) error {
	data := make([]byte, s.Length)
	n, err := device.Control(s, data)
	if err != nil {
		return err
	}
	fmt.Printf("%x\n", data[:n])
	return nil
}

func read(device *usbfs.Device, endpoint uint8) error {
	if err := device.Claim(0); err != nil {
		return err
	}
	if err := device.Submit(usbfs.NewURB(usbfs.Bulk, endpoint, make([]byte, 512))); err != nil {
		return err
	}
	fmt.Println("waiting")
	u, err := device.Reap()
	if err != nil {
		return err
	}
	fmt.Printf("status %v\n", u.Err())
	return nil
}
