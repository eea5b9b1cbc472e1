package device

import (
	"fmt"
	"strings"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
)

// MatchCommand returns a function that reports whether a transfer to the bulk OUT
// endpoint begins the command with the given name, such as "sign". It looks at
// headers only. The error lists the names. It is for those who stand between host
// and device, and has the form that package fault asks for.
func MatchCommand(name string) (func(transfer []byte) bool, error) {
	var names []string
	for _, row := range command.Rows {
		if row.Name == name {
			return func(transfer []byte) bool { return begins(transfer, row.Code) }, nil
		}
		names = append(names, row.Name)
	}
	return nil, fmt.Errorf("there is no command %q; the device has %s", name, strings.Join(names, ", "))
}

// begins looks for the first frame of a request among those of a transfer.
func begins(transfer []byte, code command.Code) bool {
	for {
		h, err := frame.ParseHeader(transfer)
		if err != nil {
			return false
		}
		if h.Type == frame.TypeRequest && h.Flags&frame.FlagFirst != 0 && h.Code == uint32(code) {
			return true
		}
		if uint64(len(transfer)) <= frame.HeaderSize+uint64(h.Length) {
			return false
		}
		transfer = transfer[frame.HeaderSize+int(h.Length):]
	}
}
