package command

// RoleSet is a set of roles as bits: bit r is role r.
type RoleSet uint16

// Anyone is the set of all roles and of nobody.
const Anyone RoleSet = 0xFFFF

func roles(list ...Role) RoleSet {
	var set RoleSet
	for _, r := range list {
		set |= 1 << r
	}
	return set
}

// Has reports whether r is in the set.
func (s RoleSet) Has(r Role) bool { return s>>r&1 == 1 }

// Need says what must exist before a command may run.
type Need uint8

const (
	NeedNothing     Need = iota // any state, session field 0
	NeedSession                 // any open session
	NeedAdmin                   // a session with SlotAdmin
	NeedPartition               // a session with SlotPartition
	NeedInitialised             // a session with SlotPartition, and the partition initialised
)

// Row is one command of the protocol.
type Row struct {
	Code     Code
	Name     string  // as in docs/protocol.md, where it is also the anchor
	Need     Need    // otherwise StatusSessionHandleInvalid or StatusTokenNotPresent
	Roles    RoleSet // who may: otherwise StatusUserNotLoggedIn
	Write    bool    // refused in a read-only session
	Audit    AuditClass
	Request  func() any
	Response func() any // nil: the answer has no payload
}

// Sets of roles that several rows share.
var (
	allRoles  = roles(Roles...)
	keyUsers  = roles(RoleCO, RoleLCO, RoleCU) // use keys
	keyMakers = roles(RoleCO, RoleLCO)         // make keys
)

func of[T any]() func() any { return func() any { return new(T) } }

// Rows is the command table, ordered by code.
var Rows = []Row{
	{CodeInfo, "info", NeedNothing, Anyone, false, AuditNever, nil, of[InfoResponse]()},
	{CodeEcho, "echo", NeedNothing, Anyone, false, AuditNever, of[Echo](), of[Echo]()},
	{CodeMechanisms, "mechanisms", NeedNothing, Anyone, false, AuditNever, nil, of[MechanismsResponse]()},

	{CodeHSMInit, "hsm-init", NeedAdmin, Anyone, true, AuditManage, of[HSMInitRequest](), nil},
	{CodeHSMZeroize, "hsm-zeroize", NeedAdmin, roles(RoleSO), true, AuditManage, nil, nil},
	{CodeHSMFactoryReset, "hsm-factory-reset", NeedAdmin, Anyone, true, AuditManage, nil, nil},

	{CodeHSMPolicies, "hsm-policies", NeedAdmin, Anyone, false, AuditNever, nil, of[PoliciesResponse]()},
	{CodeHSMPolicyChange, "hsm-policy-change", NeedAdmin, roles(RoleSO), true, AuditManage, of[PolicyChangeRequest](), nil},

	{CodePartitionCreate, "partition-create", NeedAdmin, roles(RoleSO), true, AuditManage, nil, nil},
	{CodePartitionDelete, "partition-delete", NeedAdmin, roles(RoleSO), true, AuditManage, nil, nil},
	{CodePartitionInit, "partition-init", NeedPartition, Anyone, true, AuditManage, of[PartitionInitRequest](), nil},

	{CodePartitionPolicies, "partition-policies", NeedPartition, Anyone, false, AuditNever, nil, of[PoliciesResponse]()},
	{CodePartitionPolicyChange, "partition-policy-change", NeedInitialised, roles(RolePO), true, AuditManage, of[PolicyChangeRequest](), nil},
	{CodePartitionMetrics, "partition-metrics", NeedAdmin, roles(RoleSO), false, AuditNever, nil, of[MetricsResponse]()},

	{CodeSessionOpen, "session-open", NeedNothing, Anyone, false, AuditAccess, of[SessionOpenRequest](), of[SessionOpenResponse]()},
	{CodeSessionClose, "session-close", NeedSession, Anyone, false, AuditAccess, nil, nil},
	{CodeSessionInfo, "session-info", NeedSession, Anyone, false, AuditNever, nil, of[SessionInfoResponse]()},
	{CodeLogin, "login", NeedSession, Anyone, false, AuditAccess, of[LoginRequest](), nil},
	{CodeLogout, "logout", NeedSession, Anyone, false, AuditAccess, nil, nil},
	{CodeRoleInit, "role-init", NeedSession, Anyone, true, AuditManage, of[RoleInitRequest](), nil},
	{CodeChangePassword, "change-password", NeedSession, allRoles, true, AuditManage, of[ChangePasswordRequest](), nil},
	{CodeRoleState, "role-state", NeedSession, Anyone, false, AuditNever, of[RoleStateRequest](), of[RoleStateResponse]()},
	{CodeRoleReset, "role-reset", NeedSession, roles(RoleSO, RolePO, RoleCO), true, AuditManage, of[RoleResetRequest](), nil},
	{CodeRoleCreateChallenge, "role-create-challenge", NeedInitialised, roles(RolePO, RoleCO), true, AuditManage, of[RoleCreateChallengeRequest](), nil},
	{CodeRoleDeactivate, "role-deactivate", NeedInitialised, roles(RolePO, RoleCO, RoleLCO, RoleCU), true, AuditManage, of[RoleDeactivateRequest](), nil},

	{CodeGenerateKey, "generate-key", NeedInitialised, keyMakers, false, AuditKeyManage, of[GenerateKeyRequest](), of[ObjectResponse]()},
	{CodeGenerateKeyPair, "generate-key-pair", NeedInitialised, keyMakers, false, AuditKeyManage, of[GenerateKeyPairRequest](), of[KeyPairResponse]()},
	{CodeCreateObject, "create-object", NeedInitialised, keyMakers, false, AuditKeyManage, of[CreateObjectRequest](), of[ObjectResponse]()},
	{CodeCopyObject, "copy-object", NeedInitialised, keyMakers, false, AuditKeyManage, of[CopyObjectRequest](), of[ObjectResponse]()},
	{CodeUnwrapKey, "unwrap-key", NeedInitialised, keyMakers, false, AuditKeyManage, of[UnwrapKeyRequest](), of[ObjectResponse]()},
	{CodeDeriveKey, "derive-key", NeedInitialised, keyMakers, false, AuditKeyManage, of[DeriveKeyRequest](), of[ObjectResponse]()},
	{CodeEncapsulateKey, "encapsulate-key", NeedInitialised, keyMakers, false, AuditKeyManage, of[EncapsulateKeyRequest](), of[EncapsulateKeyResponse]()},
	{CodeDecapsulateKey, "decapsulate-key", NeedInitialised, keyMakers, false, AuditKeyManage, of[DecapsulateKeyRequest](), of[ObjectResponse]()},
	{CodeFindObjects, "find-objects", NeedInitialised, Anyone, false, AuditNever, of[FindObjectsRequest](), of[FindObjectsResponse]()},
	{CodeGetAttributes, "get-attributes", NeedInitialised, Anyone, false, AuditNever, of[GetAttributesRequest](), of[GetAttributesResponse]()},
	{CodeSetAttributes, "set-attributes", NeedInitialised, roles(RolePO, RoleCO, RoleLCO), false, AuditKeyManage, of[SetAttributesRequest](), nil},
	{CodeDestroyObject, "destroy-object", NeedInitialised, keyMakers, false, AuditKeyManage, of[DestroyObjectRequest](), nil},
	{CodeObjectSize, "object-size", NeedInitialised, Anyone, false, AuditNever, of[ObjectSizeRequest](), of[ObjectSizeResponse]()},
	{CodeWrapKey, "wrap-key", NeedInitialised, keyMakers, false, AuditKeyManage, of[WrapKeyRequest](), of[WrapKeyResponse]()},

	{CodeKeyAuthorize, "key-authorize", NeedInitialised, keyUsers, false, AuditAccess, of[KeyAuthorizeRequest](), nil},
	{CodeKeySetAuthorization, "key-set-authorization", NeedInitialised, keyMakers, true, AuditKeyManage, of[KeySetAuthorizationRequest](), nil},
	{CodeKeyResetAuthorization, "key-reset-authorization", NeedInitialised, roles(RoleCO), true, AuditKeyManage, of[KeyResetAuthorizationRequest](), nil},
	{CodeKeyAssign, "key-assign", NeedInitialised, roles(RoleCO), true, AuditKeyManage, of[KeyAssignRequest](), nil},
	{CodeKeyUnblock, "key-unblock", NeedInitialised, roles(RoleCO), true, AuditKeyManage, of[KeyUnblockRequest](), nil},
	{CodeKeyStatus, "key-status", NeedInitialised, Anyone, false, AuditNever, of[KeyStatusRequest](), of[KeyStatusResponse]()},

	{CodeSign, "sign", NeedInitialised, keyUsers, false, AuditUsage, of[SignRequest](), of[SignResponse]()},
	{CodeVerify, "verify", NeedInitialised, Anyone, false, AuditUsage, of[VerifyRequest](), nil},
	{CodeEncrypt, "encrypt", NeedInitialised, keyUsers, false, AuditUsage, of[CipherRequest](), of[CipherResponse]()},
	{CodeDecrypt, "decrypt", NeedInitialised, keyUsers, false, AuditUsage, of[CipherRequest](), of[CipherResponse]()},
	{CodeDigest, "digest", NeedSession, Anyone, false, AuditNever, of[DigestRequest](), of[DigestResponse]()},
	{CodeRandom, "random", NeedSession, Anyone, false, AuditNever, of[RandomRequest](), of[RandomResponse]()},

	{CodeOperationBegin, "operation-begin", NeedSession, Anyone, false, AuditUsage, of[OperationBeginRequest](), of[OperationBeginResponse]()},
	{CodeOperationUpdate, "operation-update", NeedSession, Anyone, false, AuditNever, of[OperationUpdateRequest](), of[OperationResponse]()},
	{CodeOperationFinish, "operation-finish", NeedSession, Anyone, false, AuditUsage, of[OperationFinishRequest](), of[OperationResponse]()},
	{CodeOperationCancel, "operation-cancel", NeedSession, Anyone, false, AuditNever, of[OperationCancelRequest](), nil},
	{CodeDigestKey, "digest-key", NeedInitialised, keyUsers, false, AuditUsage, of[DigestKeyRequest](), nil},

	{CodeAuditConfig, "audit-config", NeedAdmin, Anyone, false, AuditNever, nil, of[AuditConfig]()},
	{CodeAuditSetConfig, "audit-set-config", NeedAdmin, roles(RoleAuditor), true, AuditLogManage, of[AuditConfig](), nil},
	{CodeAuditStatus, "audit-status", NeedAdmin, Anyone, false, AuditNever, nil, of[AuditStatusResponse]()},
	{CodeAuditRead, "audit-read", NeedAdmin, Anyone, false, AuditNever, of[AuditReadRequest](), of[AuditReadResponse]()},
	{CodeAuditAcknowledge, "audit-acknowledge", NeedAdmin, Anyone, true, AuditNever, of[AuditAcknowledgeRequest](), nil},
	{CodeAuditLogMessage, "audit-logmsg", NeedSession, Anyone, true, AuditExternal, of[AuditMessageRequest](), nil},
	{CodeAuditSetDomain, "audit-set-domain", NeedAdmin, roles(RoleAuditor), true, AuditLogManage, of[AuditDomainRequest](), nil},
	{CodeAuditExportSecret, "audit-export-secret", NeedAdmin, roles(RoleAuditor), false, AuditLogManage, nil, of[AuditSecret]()},
	{CodeAuditImportSecret, "audit-import-secret", NeedAdmin, roles(RoleAuditor), true, AuditLogManage, of[AuditSecret](), nil},
	{CodeAuditVerify, "audit-verify", NeedAdmin, roles(RoleAuditor), false, AuditLogManage, of[AuditVerifyRequest](), of[AuditVerifyResponse]()},

	{CodeTamperShow, "tamper-show", NeedAdmin, Anyone, false, AuditNever, nil, of[TamperShowResponse]()},
	{CodeTamperClear, "tamper-clear", NeedAdmin, Anyone, true, AuditManage, nil, nil},
	{CodeHSMRestart, "hsm-restart", NeedAdmin, Anyone, true, AuditManage, nil, nil},
	{CodeSTMTransport, "stm-transport", NeedAdmin, roles(RoleSO), true, AuditManage, nil, of[STMStrings]()},
	{CodeSTMRecover, "stm-recover", NeedAdmin, Anyone, true, AuditManage, of[STMRecoverRequest](), of[STMRecoverResponse]()},
	{CodeSTMShow, "stm-show", NeedAdmin, Anyone, false, AuditNever, nil, of[STMShowResponse]()},
	{CodeTimeGet, "time-get", NeedSession, Anyone, false, AuditNever, nil, of[DeviceTime]()},
	{CodeTimeSync, "time-sync", NeedAdmin, roles(RoleSO, RoleAuditor), true, AuditLogManage, of[DeviceTime](), nil},

	{CodeUpdatePlan, "update-plan", NeedAdmin, Anyone, false, AuditNever, of[UpdateRequest](), of[UpdatePlanResponse]()},
	{CodeUpdateBegin, "update-begin", NeedAdmin, roles(RoleSO), true, AuditManage, of[UpdateRequest](), of[UpdateStatus]()},
	{CodeUpdateChunk, "update-chunk", NeedAdmin, roles(RoleSO), true, AuditNever, of[UpdateChunkRequest](), nil},
	{CodeUpdateStage, "update-stage", NeedAdmin, roles(RoleSO), true, AuditManage, nil, nil},
	{CodeUpdateStatus, "update-status", NeedAdmin, Anyone, false, AuditNever, nil, of[UpdateStatus]()},
	{CodeUpdateApply, "update-apply", NeedAdmin, roles(RoleSO), true, AuditManage, nil, nil},
	{CodeUpdateAbort, "update-abort", NeedAdmin, roles(RoleSO), true, AuditManage, nil, nil},
	{CodeUpdateRollback, "update-rollback", NeedAdmin, roles(RoleSO), true, AuditManage, nil, nil},
	{CodeUpdateFloor, "update-floor", NeedAdmin, roles(RoleSO), true, AuditManage, of[UpdateFloorRequest](), nil},
	{CodeUpdateCapability, "update-capability", NeedAdmin, roles(RoleSO), true, AuditManage, of[UpdateCapabilityRequest](), nil},
	{CodeLicences, "licences", NeedAdmin, Anyone, false, AuditNever, nil, of[LicencesResponse]()},

	{CodeModuleLoad, "fm-load", NeedAdmin, roles(RoleSO), true, AuditManage, of[ModuleLoadRequest](), of[ModuleInfo]()},
	{CodeModuleList, "fm-list", NeedSession, Anyone, false, AuditNever, nil, of[ModuleListResponse]()},
	{CodeModuleDelete, "fm-delete", NeedAdmin, roles(RoleSO), true, AuditManage, of[ModuleDeleteRequest](), nil},
	{CodeModuleCall, "fm-call", NeedInitialised, keyUsers, false, AuditUsage, of[ModuleCallRequest](), of[ModuleCallResponse]()},
}

var rowOf = func() map[Code]Row {
	m := make(map[Code]Row, len(Rows))
	for _, row := range Rows {
		m[row.Code] = row
	}
	return m
}()

// Lookup returns the row of c.
func Lookup(c Code) (Row, bool) {
	row, ok := rowOf[c]
	return row, ok
}
