package hsm

import "usbhsm7/firmware/command"

func (c *call) info() (*command.InfoResponse, error) {
	h, s := c.hsm, c.hsm.state.Load()
	usage := h.vault.Usage()
	return &command.InfoResponse{
		Model:          h.model.Name,
		Serial:         h.serial,
		Firmware:       h.firmware.Version,
		Label:          s.hsm.Label,
		State:          s.hsm.State,
		Partition:      s.partition.State,
		PartitionLabel: s.partition.Label,
		Objects:        uint(max(h.stored.Load(), 0)),
		StorageTotal:   uint64(max(usage.Total, 0)),
		StorageFree:    uint64(max(usage.Free, 0)),
		Sessions:       uint(max(h.sessions.Load(), 0)),
		Halt:           s.halt,
		PartitionTotal: uint64(max(h.model.Storage, 0)),
		PartitionUsed:  uint64(max(h.taken.Load(), 0)),
		Method:         s.hsm.shownMethod(),
	}, nil
}

func (c *call) echo(r *command.Echo) (*command.Echo, error) { return r, nil }

// mechanisms lists what the policies of the partition permit now.
func (c *call) mechanisms() (*command.MechanismsResponse, error) {
	list := make([]command.MechanismInfo, 0, len(command.MechanismTable))
	for i, now := range c.usables() {
		if row := command.MechanismTable[i]; now.uses != 0 {
			list = append(list, command.MechanismInfo{Type: row.Type, MinBits: now.bits, MaxBits: row.MaxBits, Uses: now.uses})
		}
	}
	return &command.MechanismsResponse{Mechanisms: list}, nil
}
