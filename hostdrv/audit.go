package hostdrv

import (
	"context"

	"usbhsm7/firmware/command"
)

// AuditConfig tells what the Auditor has set.
func (s *Session) AuditConfig(ctx context.Context) (command.AuditConfig, error) {
	return ask[command.AuditConfig](ctx, s, command.CodeAuditConfig, nil)
}

// SetAuditConfig chooses what is recorded, as the Auditor.
func (s *Session) SetAuditConfig(ctx context.Context, c command.AuditConfig) error {
	return tell(ctx, s, command.CodeAuditSetConfig, &c)
}

// AuditStatus tells about the log in the device.
func (s *Session) AuditStatus(ctx context.Context) (command.AuditStatusResponse, error) {
	return ask[command.AuditStatusResponse](ctx, s, command.CodeAuditStatus, nil)
}

// AuditRead returns the records after a number that nobody has acknowledged, at
// most 1,000 of them, in ascending order.
func (s *Session) AuditRead(ctx context.Context, after uint64) (command.AuditReadResponse, error) {
	return ask[command.AuditReadResponse](ctx, s, command.CodeAuditRead, &command.AuditReadRequest{After: after})
}

// AuditAcknowledge says that the records through a number are safe, so that the
// device may forget them.
func (s *Session) AuditAcknowledge(ctx context.Context, through uint64) error {
	return tell(ctx, s, command.CodeAuditAcknowledge, &command.AuditAcknowledgeRequest{Through: through})
}

// AuditLogMessage has a text of 1 to 1,024 bytes recorded.
func (s *Session) AuditLogMessage(ctx context.Context, message string) error {
	return tell(ctx, s, command.CodeAuditLogMessage, &command.AuditMessageRequest{Message: message})
}

// SetAuditDomain sets the domain under which audit secrets travel, as the
// Auditor. It has 1 to 128 bytes.
func (s *Session) SetAuditDomain(ctx context.Context, domain []byte) error {
	return tell(ctx, s, command.CodeAuditSetDomain, &command.AuditDomainRequest{Domain: domain})
}

// ExportAuditSecret returns the audit secret of the device, sealed under the
// domain of its Auditor, who must be logged in.
func (s *Session) ExportAuditSecret(ctx context.Context) (command.AuditSecret, error) {
	return ask[command.AuditSecret](ctx, s, command.CodeAuditExportSecret, nil)
}

// ImportAuditSecret gives the device the audit secret of another one of the same
// domain, as the Auditor, so that it can verify that one's log.
func (s *Session) ImportAuditSecret(ctx context.Context, secret command.AuditSecret) error {
	return tell(ctx, s, command.CodeAuditImportSecret, &secret)
}

// AuditVerify has the device check a part of a log, as the Auditor.
func (s *Session) AuditVerify(ctx context.Context, req command.AuditVerifyRequest) (command.AuditVerifyResponse, error) {
	return ask[command.AuditVerifyResponse](ctx, s, command.CodeAuditVerify, &req)
}
