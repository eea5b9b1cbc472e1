package main

import "testing"

func TestFirstBulkEndpointsOfAConfiguration(t *testing.T) {
	configuration := []byte{9, 2, 39, 0, 1, 1, 0, 0xc0, 0}
	iface := []byte{9, 4, 0, 0, 3, 0xff, 0, 0, 0}
	interrupt := []byte{7, 5, 0x83, 3, 8, 0, 1}
	in := []byte{7, 5, 0x82, 2, 0, 2, 0}
	out := []byte{7, 5, 0x01, 2, 0, 2, 0}
	for name, test := range map[string]struct {
		parts   [][]byte
		in, out uint8
	}{
		"after an interrupt endpoint": {[][]byte{configuration, iface, interrupt, in, out}, 0x82, 0x01},
		"the first of several":        {[][]byte{configuration, iface, out, in, {7, 5, 0x02, 2}, {7, 5, 0x84, 2, 0, 2, 0}}, 0x82, 0x01},
		"IN only":                     {[][]byte{configuration, iface, in}, 0x82, 0},
		"breaking off":                {[][]byte{configuration, iface, in[:6]}, 0, 0},
		"no length":                   {[][]byte{configuration, {0, 5, 0x82, 2, 0, 2, 0}}, 0, 0},
		"nothing":                     {nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var raw []byte
			for _, part := range test.parts {
				raw = append(raw, part...)
			}
			if in, out := bulkEndpoints(raw); in != test.in || out != test.out {
				t.Errorf("bulkEndpoints = %02x, %02x; want %02x, %02x", in, out, test.in, test.out)
			}
		})
	}
}
