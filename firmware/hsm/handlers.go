package hsm

import "usbhsm7/firmware/command"

// handler runs one authorised command. The request is what the row's Request
// made; a nil answer is the empty payload.
type handler func(c *call, request any) (answer any, err error)

// handlers has one entry for each row of command.Rows.
var handlers = map[command.Code]handler{
	command.CodeInfo:       tell((*call).info),
	command.CodeEcho:       ask((*call).echo),
	command.CodeMechanisms: tell((*call).mechanisms),

	command.CodeHSMInit:         take((*call).hsmInit),
	command.CodeHSMZeroize:      act((*call).hsmZeroize),
	command.CodeHSMFactoryReset: act((*call).hsmFactoryReset),

	command.CodeHSMPolicies:     tell((*call).hsmPolicies),
	command.CodeHSMPolicyChange: take((*call).hsmPolicyChange),

	command.CodePartitionCreate: act((*call).partitionCreate),
	command.CodePartitionDelete: act((*call).partitionDelete),
	command.CodePartitionInit:   take((*call).partitionInit),

	command.CodePartitionPolicies:     tell((*call).partitionPolicies),
	command.CodePartitionPolicyChange: take((*call).partitionPolicyChange),
	command.CodePartitionMetrics:      tell((*call).partitionMetrics),

	command.CodeSessionOpen:    ask((*call).sessionOpen),
	command.CodeSessionClose:   act((*call).sessionClose),
	command.CodeSessionInfo:    tell((*call).sessionInfo),
	command.CodeLogin:          take((*call).logIn),
	command.CodeLogout:         act((*call).logOut),
	command.CodeRoleInit:       take((*call).roleInit),
	command.CodeChangePassword: take((*call).changePassword),
	command.CodeRoleState:      ask((*call).roleState),
	command.CodeRoleReset:      take((*call).roleReset),

	command.CodeRoleCreateChallenge: take((*call).roleCreateChallenge),
	command.CodeRoleDeactivate:      take((*call).roleDeactivate),

	command.CodeAuditConfig:       tell((*call).auditConfig),
	command.CodeAuditSetConfig:    take((*call).auditSetConfig),
	command.CodeAuditStatus:       tell((*call).auditStatus),
	command.CodeAuditRead:         ask((*call).auditRead),
	command.CodeAuditAcknowledge:  take((*call).auditAcknowledge),
	command.CodeAuditLogMessage:   take((*call).auditLogMessage),
	command.CodeAuditSetDomain:    take((*call).auditSetDomain),
	command.CodeAuditExportSecret: tell((*call).auditExportSecret),
	command.CodeAuditImportSecret: take((*call).auditImportSecret),
	command.CodeAuditVerify:       ask((*call).auditVerify),

	command.CodeTamperShow:   tell((*call).tamperShow),
	command.CodeTamperClear:  act((*call).tamperClear),
	command.CodeHSMRestart:   act((*call).hsmRestart),
	command.CodeSTMTransport: tell((*call).stmTransport),
	command.CodeSTMRecover:   ask((*call).stmRecover),
	command.CodeSTMShow:      tell((*call).stmShow),
	command.CodeTimeGet:      tell((*call).timeGet),
	command.CodeTimeSync:     take((*call).timeSync),

	command.CodeUpdatePlan:     ask((*call).updatePlan),
	command.CodeUpdateBegin:    ask((*call).updateBegin),
	command.CodeUpdateChunk:    take((*call).updateChunk),
	command.CodeUpdateStage:    act((*call).updateStage),
	command.CodeUpdateStatus:   tell((*call).updateStatus),
	command.CodeUpdateApply:    act((*call).updateApply),
	command.CodeUpdateAbort:    act((*call).updateAbort),
	command.CodeUpdateRollback: act((*call).updateRollback),
	command.CodeUpdateFloor:    take((*call).updateFloor),

	command.CodeUpdateCapability: take((*call).updateCapability),
	command.CodeLicences:         tell((*call).licenceList),

	command.CodeModuleLoad:   ask((*call).moduleLoad),
	command.CodeModuleList:   tell((*call).moduleList),
	command.CodeModuleDelete: take((*call).moduleDelete),
	command.CodeModuleCall:   ask((*call).moduleCall),

	command.CodeGenerateKey:     ask((*call).generateKey),
	command.CodeGenerateKeyPair: ask((*call).generateKeyPair),
	command.CodeCreateObject:    ask((*call).createObject),
	command.CodeCopyObject:      ask((*call).copyObject),
	command.CodeFindObjects:     ask((*call).findObjects),
	command.CodeGetAttributes:   ask((*call).getAttributes),
	command.CodeSetAttributes:   take((*call).setAttributes),
	command.CodeDestroyObject:   take((*call).destroyObject),
	command.CodeObjectSize:      ask((*call).objectSize),

	command.CodeKeyAuthorize:          take((*call).keyAuthorize),
	command.CodeKeySetAuthorization:   take((*call).keySetAuthorization),
	command.CodeKeyResetAuthorization: take((*call).keyResetAuthorization),
	command.CodeKeyAssign:             take((*call).keyAssign),
	command.CodeKeyUnblock:            take((*call).keyUnblock),
	command.CodeKeyStatus:             ask((*call).keyStatus),

	command.CodeWrapKey:        ask((*call).wrapKey),
	command.CodeUnwrapKey:      ask((*call).unwrapKey),
	command.CodeDeriveKey:      ask((*call).deriveKey),
	command.CodeEncapsulateKey: ask((*call).encapsulateKey),
	command.CodeDecapsulateKey: ask((*call).decapsulateKey),

	command.CodeSign:    ask((*call).sign),
	command.CodeVerify:  take((*call).verify),
	command.CodeEncrypt: ask((*call).encrypt),
	command.CodeDecrypt: ask((*call).decrypt),
	command.CodeDigest:  ask((*call).digest),
	command.CodeRandom:  ask((*call).random),

	command.CodeOperationBegin:  ask((*call).operationBegin),
	command.CodeOperationUpdate: ask((*call).operationUpdate),
	command.CodeOperationFinish: ask((*call).operationFinish),
	command.CodeOperationCancel: take((*call).operationCancel),
	command.CodeDigestKey:       take((*call).digestKey),
}

// ask is a command with request and response.
func ask[Q, R any](f func(*call, *Q) (*R, error)) handler {
	return func(c *call, request any) (any, error) { return f(c, request.(*Q)) }
}

// take is a command with a request only.
func take[Q any](f func(*call, *Q) error) handler {
	return func(c *call, request any) (any, error) { return nil, f(c, request.(*Q)) }
}

// tell is a command with a response only.
func tell[R any](f func(*call) (*R, error)) handler {
	return func(c *call, _ any) (any, error) { return f(c) }
}

// act is a command with neither.
func act(f func(*call) error) handler {
	return func(c *call, _ any) (any, error) { return nil, f(c) }
}
