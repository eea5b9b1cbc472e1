package record_test

import (
	"reflect"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
)

const (
	bulkOut = 0x01
	bulkIn  = 0x81
	eventIn = 0x82
)

// configured is the request behind which transfers begin anew.
func configured() *capture.Packet {
	return &capture.Packet{
		ID: 1, Event: capture.Submission, Type: usb.Control,
		Setup: &usb.Setup{Request: usb.SetConfiguration, Value: 1},
	}
}

// packet is what a capture holds of data that goes through an endpoint.
func packet(endpoint uint8, data []byte) *capture.Packet {
	p := &capture.Packet{
		ID: 2, Event: capture.Submission, Type: usb.Bulk, Endpoint: endpoint,
		Length: len(data), Data: append([]byte{}, data...),
	}
	if p.In() {
		p.Event = capture.Completion
	}
	return p
}

// transfer returns messages as one transfer that is as long as it needs to be.
func transfer(messages ...frame.Message) []byte {
	var b []byte
	for _, m := range messages {
		s := frame.NewSplitter(m)
		for done := false; !done; {
			b, done = s.AppendFrame(b, frame.MaxTransfer)
		}
	}
	return b
}

func request(tag uint32, code command.Code, payload []byte) frame.Message {
	return frame.Message{Type: frame.TypeRequest, Tag: tag, Session: 7, Code: uint32(code), Payload: payload}
}

func response(tag uint32, status command.Status, payload []byte) frame.Message {
	return frame.Message{Type: frame.TypeResponse, Tag: tag, Session: 7, Code: uint32(status), Payload: payload}
}

// plant sets every text, byte string and template in v to canary.
func plant(v reflect.Value, canary string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		plant(v.Elem(), canary)
	case reflect.Struct:
		for i := range v.NumField() {
			plant(v.Field(i), canary)
		}
	case reflect.String:
		v.SetString(canary)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(canary))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		plant(v.Index(0), canary)
	case reflect.Map:
		if v.Type() == reflect.TypeFor[command.Template]() {
			v.Set(reflect.ValueOf(command.Template{command.AttrLabel: canary, command.AttrID: []byte(canary)}))
		}
	case reflect.Interface:
		if v.CanSet() && v.NumMethod() == 0 {
			v.Set(reflect.ValueOf([]byte(canary)))
		}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint, reflect.Uint64:
		v.SetUint(1)
	}
}

// planted returns the payload of a type of the command table with canaries
// wherever they fit; nil for none.
func planted(make func() any, canary string) []byte {
	if make == nil {
		return nil
	}
	v := make()
	plant(reflect.ValueOf(v).Elem(), canary)
	payload, err := command.Marshal(v)
	if err != nil {
		panic(err)
	}
	return payload
}
