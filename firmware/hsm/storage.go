package hsm

import "usbhsm7/firmware/command"

// Model names a product, the firmware whose behaviour it follows, and how much its
// partition holds.
type Model struct {
	Name     string
	Firmware string
	// Storage is the room for token objects in bytes; 0 means as much as the flash
	// has. A flash with less room than that is full earlier.
	Storage  int64
	Evidence string // of Storage
}

// Models lists what there is to model. The first is the default.
func Models() []Model {
	const sizes = "the sizes of the USB models are not published: those of the network models of firmware 7.7"
	return []Model{
		{"USB HSM 7 Simulator", "7.9.2", 0, "chosen"},
		{"USB HSM 7 Simulator U700", "7.9.2", 4 << 20, sizes},
		{"USB HSM 7 Simulator U750", "7.9.2", 32 << 20, sizes},
		{"USB HSM 7 Simulator U790", "7.9.2", 64 << 20, sizes},
	}
}

// objectOverhead is counted for each object besides what is in it: its name and
// what sealing adds.
const objectOverhead = 64

// storage is the room that stored objects take. It is guarded by the HSM's mu.
type storage struct {
	sizes map[command.Handle]int64
	used  int64 // their sum
}

// set says how many bytes an object takes; 0: it is gone.
func (s *storage) set(handle command.Handle, size int64) {
	s.used += size - s.sizes[handle]
	if size == 0 {
		delete(s.sizes, handle)
		return
	}
	s.sizes[handle] = size
}

func (s *storage) clear() {
	clear(s.sizes)
	s.used = 0
}

// claim takes room for an object of so many bytes, in place of what it has, if the
// model has it.
func (u *update) claim(handle command.Handle, bytes int) error {
	size := int64(bytes) + objectOverhead
	u.growth += size - u.hsm.storage.sizes[handle]
	if budget := u.hsm.model.Storage; budget > 0 && u.growth > 0 && u.hsm.storage.used+u.growth > budget {
		return storageFull()
	}
	u.after(func() {
		u.hsm.storage.set(handle, size)
		u.hsm.taken.Store(u.hsm.storage.used)
	})
	return nil
}

// release gives back the room of an object.
func (u *update) release(handle command.Handle) {
	u.after(func() {
		u.hsm.storage.set(handle, 0)
		u.hsm.taken.Store(u.hsm.storage.used)
	})
}

func storageFull() error {
	return command.StatusObjectStorageFull.With("there is no room for another object", "destroy some")
}
