package rehearse

import (
	"sync"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
)

// Reasons of the scenes of updates.
const (
	ownRecord = "the bootloader has a record of its own, which is written before the audit log's"
	restarted = "other firmware runs only after a restart"
)

// newer is the update of the rehearsals: two chunks, to firmware 7.9.3, which converts the data.
var newer = sync.OnceValues(func() (*boottest.Update, error) {
	image := boottest.Image(fuf.V(7, 9, 3), 2, fuf.ChunkSize+1000, 1)
	return boottest.Make(image, boottest.Convert(image, 0))
})

// beginning is the request that begins it.
func beginning(o *Operator) any {
	u, err := newer()
	if err != nil {
		o.err = err
		return nil
	}
	return &command.UpdateRequest{Head: u.Head, Authcode: boottest.Code[:], Client: "1.0.0"}
}

// chunk is the request with a chunk of it.
func chunk(i int) func(*Operator) any {
	return func(o *Operator) any {
		u, err := newer()
		if err != nil {
			o.err = err
			return nil
		}
		return &command.UpdateChunkRequest{Index: uint(i), Data: u.Chunks[i]}
	}
}

// begin begins the update as the HSM SO.
func begin(o *Operator) {
	o.Login(command.RoleSO)
	o.Must(command.CodeUpdateBegin, o.admin, beginning(o), nil)
}

// upload does so, and sends all chunks.
func upload(o *Operator) {
	begin(o)
	for i := range 2 {
		o.Must(command.CodeUpdateChunk, o.admin, chunk(i)(o), nil)
	}
}

// stage does so, and has them verified.
func stage(o *Operator) {
	upload(o)
	o.Must(command.CodeUpdateStage, o.admin, nil, nil)
}

// update does so, and has the firmware run at the next power-on.
func update(o *Operator) {
	stage(o)
	o.Must(command.CodeUpdateApply, o.admin, nil, nil)
}

// licence is the request with a capability update that destroys the partition.
func licence(o *Operator) any {
	file, err := boottest.Licence(&boot.Licence{Schema: boot.LicenceSchema, ID: 7, Name: "x", Destroys: true, Grants: []boot.Grant{{Table: boot.HSMPolicies, ID: 51, Capability: 1}}})
	if err != nil {
		o.err = err
	}
	return &command.UpdateCapabilityRequest{File: file, Authcode: boottest.Code[:], Client: "1.0.0"}
}

func firmwareScenes() []Scene {
	const admin = command.SlotAdmin
	so := as(command.RoleSO)
	return []Scene{
		{Name: "plan of an update", Stage: Staffed, Code: command.CodeUpdatePlan, Slot: admin, Request: beginning, Quiet: asks},
		{Name: "beginning of an update", Stage: Staffed, Before: so, Code: command.CodeUpdateBegin, Slot: admin, Request: beginning, Apart: ownRecord},
		{
			Name: "update that is not genuine", Stage: Staffed, Before: so, Code: command.CodeUpdateBegin, Slot: admin,
			Request: the(&command.UpdateRequest{Head: []byte("head"), Authcode: boottest.Code[:], Client: "1.0.0"}),
			Status:  command.StatusInvalidFUFHeader,
		},
		{Name: "chunk of an update", Stage: Staffed, Before: begin, Code: command.CodeUpdateChunk, Slot: admin, Request: chunk(1)},
		{Name: "verification of an update", Stage: Staffed, Before: upload, Code: command.CodeUpdateStage, Slot: admin, Apart: ownRecord},
		{Name: "state of the firmware", Stage: Staffed, Code: command.CodeUpdateStatus, Slot: admin, Quiet: asks},
		{
			Name: "update of the firmware", Stage: Staffed, Before: stage, Code: command.CodeUpdateApply, Slot: admin,
			Apart: ownRecord, Later: restarted,
		},
		{Name: "end of an upload", Stage: Staffed, Before: upload, Code: command.CodeUpdateAbort, Slot: admin, Apart: ownRecord},
		{
			Name: "rollback of the firmware", Stage: Updated, Before: so, Code: command.CodeUpdateRollback, Slot: admin,
			Destroys: true, Effaces: true, Apart: ownRecord, Later: restarted,
		},
		{
			Name: "floor of the firmware", Stage: Updated, Before: so, Code: command.CodeUpdateFloor, Slot: admin,
			Request: the(&command.UpdateFloorRequest{Security: 2}), Apart: ownRecord,
		},
		{
			Name: "capability update", Stage: Staffed, Before: so, Code: command.CodeUpdateCapability, Slot: admin,
			Request: licence, Destroys: true, Later: restarted,
		},
		{Name: "licences", Stage: Staffed, Code: command.CodeLicences, Slot: admin, Quiet: asks},
	}
}
