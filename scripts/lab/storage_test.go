//go:build lab

package lab_test

import (
	"encoding/binary"

	"usbhsm7/usbip/usb"
)

// The emulated disk: USB Mass Storage, Bulk-Only Transport, endpoints as QEMU
// has them.
const (
	diskOut   = 0x02
	diskIn    = 0x81
	blockSize = 512
	statusOK  = 0 // bCSWStatus
)

// scsi carries out a command that moves no data to the device: Bulk-Only
// Transport sections 5.1 to 5.3. Room is what the host offers for data.
func (h *host) scsi(command []byte, room int) []byte {
	h.t.Helper()
	h.must(out(diskOut, commandBlock(command, room, usb.DirIn)))
	var answer []byte
	if room > 0 {
		answer = data(h.must(in(diskIn, room)))
	}
	h.commandStatus()
	return answer
}

// scsiWrite carries out a command with data for the device.
func (h *host) scsiWrite(command, content []byte) {
	h.t.Helper()
	h.must(out(diskOut, commandBlock(command, len(content), 0)))
	h.must(out(diskOut, content))
	h.commandStatus()
}

const commandTag = 0x37534d48

// commandBlock returns a Command Block Wrapper.
func commandBlock(command []byte, length int, direction uint8) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("USBC"), commandTag)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	b = append(b, direction, 0, byte(len(command)))
	return append(append(b, command...), make([]byte, 16-len(command))...)
}

// commandStatus reads the Command Status Wrapper, which must tell of success.
func (h *host) commandStatus() {
	h.t.Helper()
	status := data(h.must(in(diskIn, 13)))
	if len(status) != 13 || string(status[:4]) != "USBS" || binary.LittleEndian.Uint32(status[4:]) != commandTag || status[12] != statusOK {
		h.t.Fatalf("command status % x", status)
	}
}

// transferCommand returns READ(10), 0x28, or WRITE(10), 0x2a.
func transferCommand(operation byte, block uint32, blocks uint16) []byte {
	b := binary.BigEndian.AppendUint32([]byte{operation, 0}, block)
	return append(binary.BigEndian.AppendUint16(append(b, 0), blocks), 0)
}
