package rehearse

import (
	"usbhsm7/firmware/command"
)

// Scene is a command in a situation.
type Scene struct {
	Name   string
	Stage  Stage
	Before func(*Operator) // brings the situation about; nil: nothing to do
	Code   command.Code
	Slot   command.Slot // of the session; ignored for commands that need none
	// Request returns the request; nil means one without a payload.
	Request func(*Operator) any
	Status  command.Status // that the command ends with
	// Quiet says why the command writes nothing; "" means that it writes.
	Quiet string
	// Spends is the role whose attempt the command is.
	Spends command.Role
	// Returns says that the attempt is taken back, though it fails.
	Returns bool
	// Guesses says that the command is an attempt to authorise a key.
	Guesses bool
	// Finding is what a sensor finds, in place of a command; Code is CodeTamper then.
	Finding command.TamperCause
	// Destroys says that the handles of objects may start again.
	Destroys bool
	// Effaces says that the root key goes, and with it all that it protects.
	Effaces bool
	// Later says why the change is only seen after the next power-on; "" means that
	// it is seen at once.
	Later string
	// Apart says why the change and its audit record are not made together; ""
	// means that they are.
	Apart string
}

// Reasons why commands write nothing.
const (
	asks     = "it asks, and is no event for the audit log"
	computes = "it computes; the audit record of the use waits in memory, and is written with what comes next or within a second"
)

// Reason why a change and its record are apart.
const punished = "the effect of the last attempt comes first, whatever becomes of the record of the refusal"

// Scenes returns the scenes, in the order of the command table.
func Scenes() []Scene {
	var list []Scene
	for _, group := range [][]Scene{deviceScenes(), policyScenes(), sessionScenes(), passwordScenes(), quorumScenes(), activationScenes(), objectScenes(), keyUseScenes(), keyScenes(), transportScenes(), partScenes(), auditScenes(), unitScenes(), firmwareScenes(), moduleScenes()} {
		list = append(list, group...)
	}
	return list
}

// Missing returns the rows of the command table that no scene plays.
func Missing() []command.Row {
	played := map[command.Code]bool{}
	for _, s := range Scenes() {
		played[s.Code] = true
	}
	var missing []command.Row
	for _, row := range command.Rows {
		if !played[row.Code] {
			missing = append(missing, row)
		}
	}
	return missing
}

// as logs roles in.
func as(roles ...command.Role) func(*Operator) {
	return func(o *Operator) {
		for _, r := range roles {
			o.Login(r)
		}
	}
}

// the returns a request that is the same whatever happened before.
func the(request any) func(*Operator) any { return func(*Operator) any { return request } }

func deviceScenes() []Scene {
	so := as(command.RoleSO)
	const admin, partition = command.SlotAdmin, command.SlotPartition
	return []Scene{
		{Name: "info", Code: command.CodeInfo, Quiet: asks},
		{Name: "echo", Code: command.CodeEcho, Request: the(&command.Echo{Data: []byte("x")}), Quiet: asks},
		{Name: "mechanisms", Code: command.CodeMechanisms, Quiet: asks},

		{
			Name: "hard initialisation", Stage: Audited, Code: command.CodeHSMInit, Slot: admin,
			Request: the(&command.HSMInitRequest{Label: "x", Password: []byte(usual(command.RoleSO)), Domain: []byte("d")}),
		},
		{Name: "soft initialisation", Stage: Staffed, Before: so, Code: command.CodeHSMInit, Slot: admin, Request: the(&command.HSMInitRequest{Label: "x"}), Destroys: true},
		{Name: "zeroize", Stage: Staffed, Before: so, Code: command.CodeHSMZeroize, Slot: admin, Destroys: true, Effaces: true},
		{Name: "factory reset", Stage: Staffed, Before: so, Code: command.CodeHSMFactoryReset, Slot: admin, Destroys: true, Effaces: true},

		{Name: "partition creation", Stage: Initialised, Before: so, Code: command.CodePartitionCreate, Slot: admin},
		{Name: "partition deletion", Stage: Staffed, Before: so, Code: command.CodePartitionDelete, Slot: admin, Destroys: true},
		{
			Name: "partition initialisation", Stage: Created, Code: command.CodePartitionInit, Slot: partition,
			Request: the(&command.PartitionInitRequest{Label: "x", Password: []byte(usual(command.RolePO)), Domain: []byte("d")}),
		},
		{
			Name: "partition initialisation again", Stage: Staffed, Before: as(command.RolePO), Code: command.CodePartitionInit, Slot: partition,
			Request: the(&command.PartitionInitRequest{Label: "x", Password: []byte(next)}), Destroys: true,
		},
	}
}

func policyScenes() []Scene {
	so, po := as(command.RoleSO), as(command.RolePO)
	change := func(id uint8, value uint16, destructive bool) func(*Operator) any {
		return the(&command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: id, Value: value}}, Destructive: destructive})
	}
	const admin, partition = command.SlotAdmin, command.SlotPartition
	return []Scene{
		{Name: "policies of the HSM", Stage: Staffed, Code: command.CodeHSMPolicies, Slot: admin, Quiet: asks},
		{Name: "HSM policy", Stage: Staffed, Before: so, Code: command.CodeHSMPolicyChange, Slot: admin, Request: change(21, 0, false)},
		{
			Name: "HSM policy that destroys", Stage: Staffed, Before: so, Code: command.CodeHSMPolicyChange, Slot: admin,
			Request: change(12, 0, true), Destroys: true,
		},
		{
			Name: "metrics", Stage: Staffed, Before: so, Code: command.CodePartitionMetrics, Slot: admin,
			Status: command.StatusOperationRestricted, Quiet: asks,
		},
		{Name: "policies of the partition", Stage: Staffed, Code: command.CodePartitionPolicies, Slot: partition, Quiet: asks},
		{Name: "partition policy", Stage: Staffed, Before: po, Code: command.CodePartitionPolicyChange, Slot: partition, Request: change(20, 8, false)},
		{
			Name: "partition policy that destroys", Stage: Staffed, Before: po, Code: command.CodePartitionPolicyChange, Slot: partition,
			Request: change(9, 1, true), Destroys: true,
		},
	}
}

func objectScenes() []Scene {
	co := as(command.RoleCO)
	const partition = command.SlotPartition
	return []Scene{
		{Name: "generation of a key", Stage: Staffed, Before: co, Code: command.CodeGenerateKey, Slot: partition, Request: the(newSecret("x"))},
		{Name: "generation of a key pair", Stage: Staffed, Before: co, Code: command.CodeGenerateKeyPair, Slot: partition, Request: the(newPair("x"))},
		{
			Name: "object from outside", Stage: Staffed, Before: co, Code: command.CodeCreateObject, Slot: partition,
			Request: the(&command.CreateObjectRequest{Template: command.Template{
				command.AttrClass: command.ClassData, command.AttrToken: true, command.AttrLabel: "x", command.AttrValue: []byte("value"),
			}}),
		},
		{
			Name: "copy of an object", Stage: Staffed, Before: co, Code: command.CodeCopyObject, Slot: partition,
			Request: the(&command.CopyObjectRequest{Object: aesKey, Template: command.Template{command.AttrLabel: "x"}}),
		},
		{
			Name: "size of an object", Stage: Staffed, Before: co, Code: command.CodeObjectSize, Slot: partition,
			Request: the(&command.ObjectSizeRequest{Object: aesKey}), Quiet: asks,
		},
		{
			Name: "search", Stage: Staffed, Before: co, Code: command.CodeFindObjects, Slot: partition,
			Request: the(&command.FindObjectsRequest{}), Quiet: asks,
		},
		{
			Name: "reading of attributes", Stage: Staffed, Before: co, Code: command.CodeGetAttributes, Slot: partition,
			Request: the(&command.GetAttributesRequest{Object: aesKey}), Quiet: asks,
		},
		{
			Name: "change of an attribute", Stage: Staffed, Before: co, Code: command.CodeSetAttributes, Slot: partition,
			Request: the(&command.SetAttributesRequest{Object: aesKey, Attributes: command.Template{command.AttrLabel: "y"}}),
		},
		{
			Name: "destruction of an object", Stage: Staffed, Before: co, Code: command.CodeDestroyObject, Slot: partition,
			Request: the(&command.DestroyObjectRequest{Object: lastObject}),
		},
	}
}

func keyUseScenes() []Scene {
	const partition = command.SlotPartition
	ecdsa := command.Mechanism{Type: command.MechECDSA}
	cbc := command.Mechanism{Type: command.MechAESCBC, IV: make([]byte, 16)}
	block := make([]byte, 16)
	return []Scene{
		{
			Name: "signature", Stage: Staffed, Before: as(command.RoleCU), Code: command.CodeSign, Slot: partition,
			Request: the(&command.SignRequest{Mechanism: ecdsa, Key: privateKey, Data: make([]byte, 32)}), Quiet: computes,
		},
		{
			Name: "verification", Stage: Staffed, Before: as(command.RoleCU), Code: command.CodeVerify, Slot: partition,
			Request: the(&command.VerifyRequest{Mechanism: ecdsa, Key: publicKey, Data: make([]byte, 32), Signature: make([]byte, 64)}),
			Status:  command.StatusSignatureInvalid, Quiet: computes,
		},
		{
			Name: "encryption", Stage: Staffed, Before: as(command.RoleCU), Code: command.CodeEncrypt, Slot: partition,
			Request: the(&command.CipherRequest{Mechanism: cbc, Key: aesKey, Data: block}), Quiet: computes,
		},
		{
			Name: "decryption", Stage: Staffed, Before: as(command.RoleCU), Code: command.CodeDecrypt, Slot: partition,
			Request: the(&command.CipherRequest{Mechanism: cbc, Key: aesKey, Data: block}), Quiet: computes,
		},
		{
			Name: "digest", Stage: Staffed, Code: command.CodeDigest, Slot: partition,
			Request: the(&command.DigestRequest{Mechanism: command.Mechanism{Type: command.MechSHA256}, Data: block}), Quiet: asks,
		},
		{
			Name: "random numbers", Stage: Staffed, Code: command.CodeRandom, Slot: partition,
			Request: the(&command.RandomRequest{Length: 8}), Quiet: asks,
		},
	}
}
