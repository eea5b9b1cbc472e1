package device_test

import (
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/frame"
)

func TestCommandsAreRecognisedByTheirHeaders(t *testing.T) {
	request := func(code command.Code, size int) []byte {
		return frames(frame.Message{Type: frame.TypeRequest, Tag: 7, Code: uint32(code), Payload: make([]byte, size)})
	}
	long := request(command.CodeSign, 2*frame.MaxPayload)
	for name, test := range map[string]struct {
		transfer []byte
		want     bool
	}{
		"alone":                     {request(command.CodeSign, 10), true},
		"without payload":           {request(command.CodeSign, 0), true},
		"another command":           {request(command.CodeVerify, 10), false},
		"behind another command":    {slices.Concat(request(command.CodeVerify, 10), request(command.CodeSign, 10)), true},
		"the beginning of it":       {long[:frame.MaxTransfer], true},
		"the rest of it":            {long[frame.MaxTransfer : 2*frame.MaxTransfer], false},
		"another type of frame":     {frames(frame.Message{Type: frame.TypeHello, Tag: 1, Code: uint32(command.CodeSign)}), false},
		"behind garbage":            {append([]byte("garbage"), request(command.CodeSign, 10)...), false},
		"a length beyond the bytes": {request(command.CodeVerify, 10)[:frame.HeaderSize], false},
		"nothing":                   {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			match, err := device.MatchCommand("sign")
			if err != nil || match(test.transfer) != test.want {
				t.Errorf("%v, %v", !test.want, err)
			}
		})
	}
	if _, err := device.MatchCommand("sgin"); err == nil || !strings.Contains(err.Error(), "sign, ") {
		t.Errorf("an unknown name: %v", err)
	}
}
