package rehearse

import (
	"fmt"
	"sync"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
)

// Stage is a stage in the life of the device. Each follows from the one before, or
// from the one that follows has.
type Stage int

// The stages.
const (
	Delivered   Stage = iota
	Audited           // as delivered, but that an Auditor has everything recorded
	Initialised       // there is an HSM SO
	Created           // there is a partition
	Partitioned       // it has a Partition SO
	Staffed           // every role has its password, and there are objects
	Keyed             // as Audited, and then every other role has its keyset; the Crypto Officer can be activated
	Updating          // as Staffed, and an update has taken the place of the firmware at the next power-on
	Updated           // it runs
	Licensed          // as Initialised, and a capability update permits functional modules at the next power-on
	Modular           // as Staffed, and there is a functional module
	Filled            // as Staffed, and there are so many objects that converting them takes several changes; somebody has tried a wrong password
	stageCount
)

// Objects of the stage Staffed.
const (
	aesKey     command.Handle = 1
	publicKey  command.Handle = 2
	privateKey command.Handle = 3
	lastObject command.Handle = 4 // with the highest handle
)

var p256 = []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}

// reach leads from the stage before to a stage.
var reach = [stageCount]func(*Operator){
	Delivered:   func(*Operator) {},
	Audited:     beginAudit,
	Initialised: (*Operator).Initialise,
	Created:     createPartition,
	Partitioned: initialisePartition,
	Staffed:     staff,
	Keyed:       handOut,
	Updating:    update,
	Updated:     func(*Operator) {},
	Licensed:    (*Operator).PermitModules,
	Modular:     bringModule,
	Filled:      fill,
}

// follows has the stages that do not follow from the one before.
var follows = map[Stage]Stage{Keyed: Audited, Updating: Staffed, Licensed: Initialised, Filled: Staffed}

// AppointAuditor gives the Auditor its password.
func (o *Operator) AppointAuditor() {
	o.Must(command.CodeRoleInit, o.admin, &command.RoleInitRequest{Role: command.RoleAuditor, Password: []byte(usual(command.RoleAuditor))}, nil)
}

func beginAudit(o *Operator) {
	o.AppointAuditor()
	o.Login(command.RoleAuditor)
	o.Must(command.CodeAuditSetDomain, o.admin, &command.AuditDomainRequest{Domain: []byte("domain")}, nil)
	o.Must(command.CodeAuditSetConfig, o.admin, &command.AuditConfig{Mask: command.AuditAll}, nil)
	o.Logout(command.RoleAuditor)
}

// Initialise gives the HSM its HSM SO, with HSM policy 15 on.
func (o *Operator) Initialise() {
	o.Must(command.CodeHSMInit, o.admin, &command.HSMInitRequest{
		Label: "hsm", Password: o.secret(usual(command.RoleSO)), Method: o.method(), Policies: []command.PolicySetting{{ID: 15, Value: 1}},
	}, nil)
}

func createPartition(o *Operator) {
	o.Login(command.RoleSO)
	o.Must(command.CodePartitionCreate, o.admin, nil, nil)
	o.Logout(command.RoleSO)
}

func initialisePartition(o *Operator) {
	o.Must(command.CodePartitionInit, o.user, &command.PartitionInitRequest{Label: "partition", Password: o.secret(usual(command.RolePO))}, nil)
}

func staff(o *Operator) {
	for _, info := range command.RoleTable {
		if info.By != command.RoleNone {
			o.Login(info.By)
			o.appoint(info.Role)
		}
	}
	o.Login(command.RoleCO)
	o.Must(command.CodeGenerateKey, o.user, newSecret("aes"), nil)
	o.Must(command.CodeGenerateKeyPair, o.user, newPair("ec"), nil)
	o.Must(command.CodeGenerateKey, o.user, newSecret("last"), nil)
	o.Logout(command.RoleCO)
}

// Populate goes the way from Initialised to Staffed.
func (o *Operator) Populate() {
	createPartition(o)
	if o.err == nil {
		o.user = o.open(command.SlotPartition)
	}
	initialisePartition(o)
	staff(o)
}

// filling is how many objects the stage Filled has more than Staffed.
const filling = 298

func fill(o *Operator) {
	o.Login(command.RoleCO)
	for i := range filling {
		if i%50 == 0 {
			o.TakeLog()
		}
		o.Must(command.CodeGenerateKey, o.user, newSecret("filling"), nil)
	}
	o.Logout(command.RoleCO)
	o.tryLogin(command.RoleCO, wrong)
}

// handOut goes the way from Audited to Staffed with keysets, and gives the Crypto
// Officer a challenge secret of its own.
func handOut(o *Operator) {
	o.quorum = true
	o.Initialise()
	o.Populate()
	o.Login(command.RolePO)
	o.Must(command.CodeRoleCreateChallenge, o.user, &command.RoleCreateChallengeRequest{Role: command.RoleCO, Secret: []byte(next)}, nil)
	o.Logout(command.RolePO)
	o.Login(command.RoleCO)
	o.Must(command.CodeChangePassword, o.user, &command.ChangePasswordRequest{Old: []byte(next), New: []byte(challenge)}, nil)
	o.Logout(command.RoleCO)
	o.Login(command.RolePO)
	o.Must(command.CodePartitionPolicyChange, o.user, &command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 22, Value: 1}, {ID: 23, Value: 1}}}, nil)
	o.Logout(command.RolePO)
}

func newSecret(label string) *command.GenerateKeyRequest {
	return &command.GenerateKeyRequest{
		Mechanism: command.Mechanism{Type: command.MechAESKeyGen},
		Template:  command.Template{command.AttrToken: true, command.AttrLabel: label, command.AttrValueLen: uint64(32)},
	}
}

func newPair(label string) *command.GenerateKeyPairRequest {
	return &command.GenerateKeyPairRequest{
		Mechanism: command.Mechanism{Type: command.MechECKeyPairGen},
		Public:    command.Template{command.AttrToken: true, command.AttrLabel: label, command.AttrECParams: p256},
		Private:   command.Template{command.AttrToken: true, command.AttrLabel: label},
	}
}

// stages holds a chip for each stage.
type stages struct {
	mu    sync.Mutex // a chip that is cloned changes
	chips [stageCount]*flash.Memory
}

// Chip returns the chip of a device in a stage: the same for the same seed.
func (s Stage) Chip(seed uint64) (*flash.Memory, error) {
	all, err := newStages(Core(), seed)
	if err != nil {
		return nil, err
	}
	return all.chip(s), nil
}

// newStages lives through all stages with a rig.
func newStages(rig Rig, seed uint64) (*stages, error) {
	chip, err := flash.NewMemory(geometry)
	if err != nil {
		return nil, err
	}
	s := &stages{}
	for stage := range stageCount {
		if from, ok := follows[stage]; ok {
			chip = s.chips[from].Clone()
		}
		m, err := rig.start(chip, seed+uint64(stage))
		if err != nil {
			return nil, fmt.Errorf("stage %d: %w", stage, err)
		}
		o := newOperator(m)
		reach[stage](o)
		if o.err == nil {
			o.err = m.off()
		}
		if o.err != nil {
			return nil, fmt.Errorf("stage %d: %w", stage, o.err)
		}
		s.chips[stage] = chip.Clone()
	}
	return s, nil
}

// chip returns a chip of a stage that the caller may change.
func (s *stages) chip(stage Stage) *flash.Memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chips[stage].Clone()
}
