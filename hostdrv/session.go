package hostdrv

import (
	"context"
	"time"

	"usbhsm7/firmware/command"
)

// Session is an open session with a slot. It may be used by several
// goroutines. It ends with Close, with the Device's Close, and when the device
// restarts or another host takes it.
type Session struct {
	device *Device
	conn   *conn // the connection it was opened on
	handle uint32
	slot   command.Slot
}

// Slot returns the slot the session was opened with.
func (s *Session) Slot() command.Slot { return s.slot }

// Handle returns the number that the device gave the session.
func (s *Session) Handle() uint32 { return s.handle }

// Close closes the session. The login of its slot ends with the last of this
// host's sessions.
func (s *Session) Close(ctx context.Context) error {
	return tell(ctx, s, command.CodeSessionClose, nil)
}

// Info tells the session's slot, kind and role.
func (s *Session) Info(ctx context.Context) (command.SessionInfoResponse, error) {
	return ask[command.SessionInfoResponse](ctx, s, command.CodeSessionInfo, nil)
}

// InitHSM initialises the HSM: see command.HSMInitRequest.
func (s *Session) InitHSM(ctx context.Context, req command.HSMInitRequest) error {
	return tell(ctx, s, command.CodeHSMInit, &req)
}

// Zeroize destroys all keys and roles. The HSM SO must be logged in.
func (s *Session) Zeroize(ctx context.Context) error {
	return tell(ctx, s, command.CodeHSMZeroize, nil)
}

// FactoryReset returns the device to the state of delivery.
func (s *Session) FactoryReset(ctx context.Context) error {
	return tell(ctx, s, command.CodeHSMFactoryReset, nil)
}

// CreatePartition creates the application partition, as the HSM SO.
func (s *Session) CreatePartition(ctx context.Context) error {
	return tell(ctx, s, command.CodePartitionCreate, nil)
}

// DeletePartition deletes the application partition and all it holds, as the
// HSM SO.
func (s *Session) DeletePartition(ctx context.Context) error {
	return tell(ctx, s, command.CodePartitionDelete, nil)
}

// InitPartition sets the partition's label and the Partition SO's password:
// see command.PartitionInitRequest.
func (s *Session) InitPartition(ctx context.Context, req command.PartitionInitRequest) error {
	return tell(ctx, s, command.CodePartitionInit, &req)
}

// Device returns the device that the session was opened on.
func (s *Session) Device() *Device { return s.device }

// Login logs role in, on all sessions of this host with the slot. password has
// 8 to 255 bytes. A wrong one is command.StatusPINIncorrect; the last attempt
// adds what it did: StatusPINIncorrectLocked or StatusPINIncorrectZeroized.
//
// A role that has a keyset of iKeys has no password: password is nil, or the
// challenge secret of a role that has one. Login then waits for people at the
// device, unless the role is activated, for as long as ctx allows; NextEvent tells
// that with command.EventAttend. So do the other methods that take a password,
// and InitHSM, InitPartition and SetAuditDomain; see docs/driver.md.
func (s *Session) Login(ctx context.Context, role command.Role, password []byte) error {
	return tell(ctx, s, command.CodeLogin, &command.LoginRequest{Role: role, Password: password})
}

// Logout logs out whoever is logged in to the session's slot.
func (s *Session) Logout(ctx context.Context) error {
	return tell(ctx, s, command.CodeLogout, nil)
}

// InitRole sets the first password of role, as the role that
// command.RoleTable names. While HSM policy 21 is on, the role has to change it.
func (s *Session) InitRole(ctx context.Context, role command.Role, password []byte) error {
	return tell(ctx, s, command.CodeRoleInit, &command.RoleInitRequest{Role: role, Password: password})
}

// ResetRole gives role another password and all its attempts, as the role that
// initialises it.
func (s *Session) ResetRole(ctx context.Context, role command.Role, password []byte) error {
	return tell(ctx, s, command.CodeRoleReset, &command.RoleResetRequest{Role: role, Password: password})
}

// CreateChallenge gives role, which has a keyset, a challenge secret of 8 to 255
// bytes, as the role that initialises it. With a nil secret the device makes one and
// shows it to people, for whom CreateChallenge waits.
func (s *Session) CreateChallenge(ctx context.Context, role command.Role, secret []byte) error {
	return tell(ctx, s, command.CodeRoleCreateChallenge, &command.RoleCreateChallengeRequest{Role: role, Secret: secret})
}

// Deactivate has role, which is activated, present its keyset at its next login.
func (s *Session) Deactivate(ctx context.Context, role command.Role) error {
	return tell(ctx, s, command.CodeRoleDeactivate, &command.RoleDeactivateRequest{Role: role})
}

// HSMPolicies lists the capabilities and policies of the HSM, ascending.
func (s *Session) HSMPolicies(ctx context.Context) ([]command.PolicyInfo, error) {
	r, err := ask[command.PoliciesResponse](ctx, s, command.CodeHSMPolicies, nil)
	return r.Policies, err
}

// ChangeHSMPolicies changes policies of the HSM, as the HSM SO, all or none. A
// destructive change removes the partition; it is refused unless asked for.
func (s *Session) ChangeHSMPolicies(ctx context.Context, req command.PolicyChangeRequest) error {
	return tell(ctx, s, command.CodeHSMPolicyChange, &req)
}

// PartitionPolicies lists the capabilities and policies of the partition,
// ascending.
func (s *Session) PartitionPolicies(ctx context.Context) ([]command.PolicyInfo, error) {
	r, err := ask[command.PoliciesResponse](ctx, s, command.CodePartitionPolicies, nil)
	return r.Policies, err
}

// ChangePartitionPolicies changes policies of the partition, as the Partition SO,
// all or none. A destructive change destroys its objects; it is refused unless
// asked for.
func (s *Session) ChangePartitionPolicies(ctx context.Context, req command.PolicyChangeRequest) error {
	return tell(ctx, s, command.CodePartitionPolicyChange, &req)
}

// Metrics tells how often mechanisms were used since the device was switched on,
// as the HSM SO. It needs HSM policy 49.
func (s *Session) Metrics(ctx context.Context) ([]command.UseCount, error) {
	r, err := ask[command.MetricsResponse](ctx, s, command.CodePartitionMetrics, nil)
	return r.Counts, err
}

// Time returns what the device's clock shows, to the second.
func (s *Session) Time(ctx context.Context) (time.Time, error) {
	r, err := ask[command.DeviceTime](ctx, s, command.CodeTimeGet, nil)
	return time.Unix(int64(r.Seconds), 0).UTC(), err
}

// SyncTime sets the device's clock, as the HSM SO or the Auditor. It needs HSM
// policy 57. Seconds before 1970 and after the year 9999 are
// command.StatusLogBadTime.
func (s *Session) SyncTime(ctx context.Context, now time.Time) error {
	return tell(ctx, s, command.CodeTimeSync, &command.DeviceTime{Seconds: uint64(now.Unix())})
}

// ChangePassword changes the password of the role that is logged in. Of one that has
// a keyset it changes the challenge secret, or with two nils the keyset.
func (s *Session) ChangePassword(ctx context.Context, old, new []byte) error {
	return tell(ctx, s, command.CodeChangePassword, &command.ChangePasswordRequest{Old: old, New: new})
}

// RoleState tells what anyone may know of role, which must belong to the
// session's slot.
func (s *Session) RoleState(ctx context.Context, role command.Role) (command.RoleStateResponse, error) {
	return ask[command.RoleStateResponse](ctx, s, command.CodeRoleState, &command.RoleStateRequest{Role: role})
}

// route implements caller: a session lives only on the link it was opened on.
func (s *Session) route() (*conn, uint32, error) {
	c, err := s.device.current()
	if err != nil {
		return nil, 0, err
	}
	if c != s.conn {
		return nil, 0, ErrSessionLost
	}
	return c, s.handle, nil
}
