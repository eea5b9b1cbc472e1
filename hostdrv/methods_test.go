package hostdrv

import (
	"context"
	"testing"
	"time"

	"usbhsm7/firmware/command"
)

// methods calls the method of each command.
var methods = map[command.Code]func(context.Context, *Device, *Session) error{
	command.CodeInfo: func(ctx context.Context, d *Device, _ *Session) error { return second(d.Info(ctx)) },
	command.CodeEcho: func(ctx context.Context, d *Device, _ *Session) error {
		return second(d.Echo(ctx, []byte("data")))
	},
	command.CodeMechanisms: func(ctx context.Context, d *Device, _ *Session) error { return second(d.Mechanisms(ctx)) },
	command.CodeHSMInit: func(ctx context.Context, _ *Device, s *Session) error {
		return s.InitHSM(ctx, command.HSMInitRequest{Label: "label"})
	},
	command.CodeHSMZeroize:      func(ctx context.Context, _ *Device, s *Session) error { return s.Zeroize(ctx) },
	command.CodeHSMFactoryReset: func(ctx context.Context, _ *Device, s *Session) error { return s.FactoryReset(ctx) },
	command.CodePartitionCreate: func(ctx context.Context, _ *Device, s *Session) error { return s.CreatePartition(ctx) },
	command.CodePartitionDelete: func(ctx context.Context, _ *Device, s *Session) error { return s.DeletePartition(ctx) },
	command.CodePartitionInit: func(ctx context.Context, _ *Device, s *Session) error {
		return s.InitPartition(ctx, command.PartitionInitRequest{Label: "label"})
	},
	command.CodeSessionOpen: func(ctx context.Context, d *Device, _ *Session) error {
		return second(d.OpenSession(ctx, command.SlotPartition, SessionOptions{}))
	},
	command.CodeSessionClose: func(ctx context.Context, _ *Device, s *Session) error { return s.Close(ctx) },
	command.CodeSessionInfo:  func(ctx context.Context, _ *Device, s *Session) error { return second(s.Info(ctx)) },
	command.CodeLogin: func(ctx context.Context, _ *Device, s *Session) error {
		return s.Login(ctx, command.RoleCO, []byte("password"))
	},
	command.CodeLogout: func(ctx context.Context, _ *Device, s *Session) error { return s.Logout(ctx) },
	command.CodeRoleInit: func(ctx context.Context, _ *Device, s *Session) error {
		return s.InitRole(ctx, command.RoleCO, []byte("password"))
	},
	command.CodeRoleReset: func(ctx context.Context, _ *Device, s *Session) error {
		return s.ResetRole(ctx, command.RoleCO, []byte("password"))
	},
	command.CodeRoleCreateChallenge: func(ctx context.Context, _ *Device, s *Session) error {
		return s.CreateChallenge(ctx, command.RoleCO, nil)
	},
	command.CodeRoleDeactivate: func(ctx context.Context, _ *Device, s *Session) error { return s.Deactivate(ctx, command.RoleCO) },
	command.CodeHSMPolicies:    func(ctx context.Context, _ *Device, s *Session) error { return second(s.HSMPolicies(ctx)) },
	command.CodeHSMPolicyChange: func(ctx context.Context, _ *Device, s *Session) error {
		return s.ChangeHSMPolicies(ctx, command.PolicyChangeRequest{})
	},
	command.CodePartitionPolicies: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.PartitionPolicies(ctx))
	},
	command.CodePartitionPolicyChange: func(ctx context.Context, _ *Device, s *Session) error {
		return s.ChangePartitionPolicies(ctx, command.PolicyChangeRequest{})
	},
	command.CodeAuditConfig: func(ctx context.Context, _ *Device, s *Session) error { return second(s.AuditConfig(ctx)) },
	command.CodeAuditSetConfig: func(ctx context.Context, _ *Device, s *Session) error {
		return s.SetAuditConfig(ctx, command.AuditConfig{})
	},
	command.CodeAuditStatus:       func(ctx context.Context, _ *Device, s *Session) error { return second(s.AuditStatus(ctx)) },
	command.CodeAuditRead:         func(ctx context.Context, _ *Device, s *Session) error { return second(s.AuditRead(ctx, 0)) },
	command.CodeAuditAcknowledge:  func(ctx context.Context, _ *Device, s *Session) error { return s.AuditAcknowledge(ctx, 1) },
	command.CodeAuditLogMessage:   func(ctx context.Context, _ *Device, s *Session) error { return s.AuditLogMessage(ctx, "message") },
	command.CodeAuditSetDomain:    func(ctx context.Context, _ *Device, s *Session) error { return s.SetAuditDomain(ctx, []byte("domain")) },
	command.CodeAuditExportSecret: func(ctx context.Context, _ *Device, s *Session) error { return second(s.ExportAuditSecret(ctx)) },
	command.CodeAuditImportSecret: func(ctx context.Context, _ *Device, s *Session) error {
		return s.ImportAuditSecret(ctx, command.AuditSecret{})
	},
	command.CodeAuditVerify: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.AuditVerify(ctx, command.AuditVerifyRequest{}))
	},
	command.CodeWrapKey: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.WrapKey(ctx, command.Mechanism{}, 1, 2))
	},
	command.CodeUnwrapKey: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.UnwrapKey(ctx, command.Mechanism{}, 1, nil, nil))
	},
	command.CodeDeriveKey: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.DeriveKey(ctx, command.Mechanism{}, 1, nil))
	},
	command.CodeEncapsulateKey: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.EncapsulateKey(ctx, command.Mechanism{}, 1, nil))
	},
	command.CodeDecapsulateKey: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.DecapsulateKey(ctx, command.Mechanism{}, 1, nil, nil))
	},
	command.CodeOperationBegin: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.Begin(ctx, command.OperationSign, command.Mechanism{}, 1))
	},
	command.CodeOperationUpdate: func(ctx context.Context, _ *Device, s *Session) error {
		return second(anOperation(s).Update(ctx, nil))
	},
	command.CodeOperationFinish: func(ctx context.Context, _ *Device, s *Session) error {
		return second(anOperation(s).Finish(ctx, nil))
	},
	command.CodeOperationCancel: func(ctx context.Context, _ *Device, s *Session) error { return anOperation(s).Cancel(ctx) },
	command.CodeDigestKey:       func(ctx context.Context, _ *Device, s *Session) error { return anOperation(s).DigestKey(ctx, 1) },

	command.CodePartitionMetrics: func(ctx context.Context, _ *Device, s *Session) error { return second(s.Metrics(ctx)) },
	command.CodeTimeGet:          func(ctx context.Context, _ *Device, s *Session) error { return second(s.Time(ctx)) },
	command.CodeTimeSync: func(ctx context.Context, _ *Device, s *Session) error {
		return s.SyncTime(ctx, time.Unix(1_800_000_000, 0))
	},
	command.CodeTamperShow:   func(ctx context.Context, _ *Device, s *Session) error { return second(s.Tamper(ctx)) },
	command.CodeTamperClear:  func(ctx context.Context, _ *Device, s *Session) error { return s.ClearTamper(ctx) },
	command.CodeHSMRestart:   func(ctx context.Context, _ *Device, s *Session) error { return s.Restart(ctx) },
	command.CodeSTMTransport: func(ctx context.Context, _ *Device, s *Session) error { return second(s.Transport(ctx)) },
	command.CodeSTMRecover: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.Recover(ctx, "59bt-3CXF-7/Tt-qKTx", true))
	},
	command.CodeUpdatePlan: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.PlanUpdate(ctx, noFile{}, nil))
	},
	command.CodeUpdateBegin: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.beginUpdate(ctx, noFile{}, nil))
	},
	command.CodeUpdateChunk: func(ctx context.Context, _ *Device, s *Session) error {
		return (&uploading{session: s, file: noFile{}}).sendRun(ctx, []uint{0})
	},
	command.CodeUpdateStage: func(ctx context.Context, _ *Device, s *Session) error {
		return tell(ctx, s, command.CodeUpdateStage, nil)
	},
	command.CodeUpdateStatus:   func(ctx context.Context, _ *Device, s *Session) error { return second(s.Firmware(ctx)) },
	command.CodeUpdateApply:    func(ctx context.Context, _ *Device, s *Session) error { return s.ApplyUpdate(ctx) },
	command.CodeUpdateAbort:    func(ctx context.Context, _ *Device, s *Session) error { return s.AbortUpdate(ctx) },
	command.CodeUpdateRollback: func(ctx context.Context, _ *Device, s *Session) error { return s.RollbackFirmware(ctx) },
	command.CodeUpdateCapability: func(ctx context.Context, _ *Device, s *Session) error {
		return s.UpdateCapability(ctx, []byte("file"), nil)
	},
	command.CodeModuleLoad: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.LoadModule(ctx, []byte("file"), nil))
	},
	command.CodeModuleList:   func(ctx context.Context, _ *Device, s *Session) error { return second(s.Modules(ctx)) },
	command.CodeModuleDelete: func(ctx context.Context, _ *Device, s *Session) error { return s.DeleteModule(ctx, "m") },
	command.CodeModuleCall: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.CallModule(ctx, "m", "f", []byte("input")))
	},
	command.CodeLicences:    func(ctx context.Context, _ *Device, s *Session) error { return second(s.Licences(ctx)) },
	command.CodeUpdateFloor: func(ctx context.Context, _ *Device, s *Session) error { return s.RaiseFloor(ctx, 1) },
	command.CodeSTMShow:     func(ctx context.Context, _ *Device, s *Session) error { return second(s.InTransport(ctx)) },
	command.CodeChangePassword: func(ctx context.Context, _ *Device, s *Session) error {
		return s.ChangePassword(ctx, []byte("old"), []byte("new"))
	},
	command.CodeRoleState: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.RoleState(ctx, command.RoleCO))
	},
	command.CodeGenerateKey: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.GenerateKey(ctx, command.Mechanism{}, nil))
	},
	command.CodeGenerateKeyPair: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.GenerateKeyPair(ctx, command.Mechanism{}, nil, nil))
	},
	command.CodeCreateObject: func(ctx context.Context, _ *Device, s *Session) error { return second(s.CreateObject(ctx, nil)) },
	command.CodeCopyObject:   func(ctx context.Context, _ *Device, s *Session) error { return second(s.CopyObject(ctx, 1, nil)) },
	command.CodeObjectSize:   func(ctx context.Context, _ *Device, s *Session) error { return second(s.ObjectSize(ctx, 1)) },
	command.CodeKeyAuthorize: func(ctx context.Context, _ *Device, s *Session) error {
		return s.AuthorizeKey(ctx, 1, []byte("data"))
	},
	command.CodeKeySetAuthorization: func(ctx context.Context, _ *Device, s *Session) error {
		return s.SetKeyAuthorization(ctx, 1, nil, []byte("data"))
	},
	command.CodeKeyResetAuthorization: func(ctx context.Context, _ *Device, s *Session) error {
		return s.ResetKeyAuthorization(ctx, 1, []byte("data"))
	},
	command.CodeKeyAssign:     func(ctx context.Context, _ *Device, s *Session) error { return s.AssignKey(ctx, 1) },
	command.CodeKeyUnblock:    func(ctx context.Context, _ *Device, s *Session) error { return s.UnblockKey(ctx, 1) },
	command.CodeKeyStatus:     func(ctx context.Context, _ *Device, s *Session) error { return second(s.KeyStatus(ctx, 1)) },
	command.CodeFindObjects:   func(ctx context.Context, _ *Device, s *Session) error { return second(s.Find(ctx, nil)) },
	command.CodeGetAttributes: func(ctx context.Context, _ *Device, s *Session) error { return second(s.Attributes(ctx, 1)) },
	command.CodeSetAttributes: func(ctx context.Context, _ *Device, s *Session) error { return s.SetAttributes(ctx, 1, nil) },
	command.CodeDestroyObject: func(ctx context.Context, _ *Device, s *Session) error { return s.Destroy(ctx, 1) },
	command.CodeSign: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.Sign(ctx, command.Mechanism{}, 1, nil))
	},
	command.CodeVerify: func(ctx context.Context, _ *Device, s *Session) error {
		return s.Verify(ctx, command.Mechanism{}, 1, nil, nil)
	},
	command.CodeEncrypt: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.Encrypt(ctx, command.Mechanism{}, 1, nil))
	},
	command.CodeDecrypt: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.Decrypt(ctx, command.Mechanism{}, 1, nil))
	},
	command.CodeDigest: func(ctx context.Context, _ *Device, s *Session) error {
		return second(s.Digest(ctx, command.MechSHA256, nil))
	},
	command.CodeRandom: func(ctx context.Context, _ *Device, s *Session) error { return second(s.Random(ctx, 1)) },
}

func anOperation(s *Session) *Operation {
	return &Operation{session: s, kind: command.OperationSign}
}

// second drops what a method returns besides its error.
func second[T any](_ T, err error) error { return err }

func TestEveryCommandHasAMethod(t *testing.T) {
	const handle = 5
	for _, row := range command.Rows {
		t.Run(row.Name, func(t *testing.T) {
			method := methods[row.Code]
			if method == nil {
				t.Fatal("no method")
			}
			inBubble(t, 1, func(t *testing.T, dev *Device, d *fakeDevice) {
				done := make(chan error, 1)
				go func() { done <- method(t.Context(), dev, &Session{device: dev, conn: dev.conn, handle: handle}) }()
				m := d.next()
				if command.Code(m.Code) != row.Code {
					t.Errorf("it sent %v", command.Code(m.Code))
				}
				if inSession := row.Need != command.NeedNothing; inSession != (m.Session == handle) {
					t.Errorf("it was sent in session %d", m.Session)
				}
				if err := command.Unmarshal(m.Payload, made(row.Request)); err != nil {
					t.Errorf("request: %v", err)
				}
				d.answer(m, made(row.Response))
				if err := <-done; err != nil {
					t.Errorf("a sound answer: %v", err)
				}
			})
		})
	}
}

func made(payload func() any) any {
	if payload == nil {
		return nil
	}
	return payload()
}

func TestFindAsksUntilTheDeviceHasNoMore(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, dev *Device, d *fakeDevice) {
		var found []command.Handle
		done := make(chan error, 1)
		go func() {
			var err error
			found, err = (&Session{device: dev, conn: dev.conn}).Find(t.Context(), nil)
			done <- err
		}()
		for _, page := range []struct {
			after command.Handle
			reply command.FindObjectsResponse
		}{
			{0, command.FindObjectsResponse{Objects: []command.Handle{3, 5}, More: true}},
			{5, command.FindObjectsResponse{Objects: []command.Handle{9}}},
		} {
			m := d.next()
			var req command.FindObjectsRequest
			if err := command.Unmarshal(m.Payload, &req); err != nil || req.After != page.after {
				t.Errorf("asked for objects after %d (%v), want %d", req.After, err, page.after)
			}
			d.answer(m, &page.reply)
		}
		if err := <-done; err != nil || len(found) != 3 || found[2] != 9 {
			t.Errorf("found %v, %v", found, err)
		}
	})
}

// noFile is an update that is none.
type noFile struct{}

func (noFile) Head() ([]byte, error)       { return []byte("head"), nil }
func (noFile) Chunk(i int) ([]byte, error) { return []byte("chunk"), nil }
