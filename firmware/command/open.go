package command

// Open says which payloads of a command are secret from nobody, so that a
// recording of the bus may show them. All others are blanked whole, whatever
// they hold: passwords, data and keys, but also labels and handles beside them.
type Open uint8

// The payloads that may be open.
const (
	OpenRequest  Open = 1 << iota // holds neither data nor labels
	OpenResponse                  // likewise, where the command succeeds
)

// opens has the commands with an open payload. A command that is not here has
// none, so that one which nobody thought about is safe.
var opens = map[Code]Open{
	CodeInfo:            OpenResponse, // anyone may ask for it, and the labels in it are on the case
	CodeMechanisms:      OpenResponse,
	CodeSessionOpen:     OpenRequest | OpenResponse,
	CodeSessionInfo:     OpenResponse,
	CodeRoleState:       OpenRequest | OpenResponse,
	CodeRoleDeactivate:  OpenRequest,
	CodeGenerateKey:     OpenResponse,
	CodeGenerateKeyPair: OpenResponse,
	CodeFindObjects:     OpenResponse,
	CodeGetAttributes:   OpenRequest,
	CodeDestroyObject:   OpenRequest,
	CodeObjectSize:      OpenRequest | OpenResponse,
	CodeKeyAssign:       OpenRequest,
	CodeKeyUnblock:      OpenRequest,
	CodeKeyStatus:       OpenRequest | OpenResponse,
	CodeRandom:          OpenRequest,
	CodeTamperShow:      OpenResponse,
	CodeSTMShow:         OpenResponse,
	CodeUpdatePlan:      OpenResponse,
	CodeUpdateBegin:     OpenResponse,
	CodeUpdateStatus:    OpenResponse,
	CodeUpdateFloor:     OpenRequest,
	CodeLicences:        OpenResponse,
	CodeModuleLoad:      OpenResponse,
	CodeModuleList:      OpenResponse,
	CodeModuleDelete:    OpenRequest,
}

// Open returns which payloads of the command a recording may show.
func (r Row) Open() Open { return opens[r.Code] }
