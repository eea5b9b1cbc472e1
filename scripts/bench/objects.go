package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/miekg/pkcs11"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// stock is how many objects are there while others are looked for, made and
// destroyed; a short run makes do with fewer. SoftHSM2 has its own in memory,
// since it would take minutes to write so many files; ours are on the flash.
const (
	stock      = 10_000
	shortStock = 200
)

func label(n int) string { return fmt.Sprintf("object %05d", n) }

// objectCases compare what is done with objects among many.
func objectCases(p plan) ([]benchCase, func(), error) {
	many := stock
	if p.runs == 1 {
		many = shortStock
	}
	return besideSoftHSM(func(b *bench, peer *softHSM) ([]benchCase, error) { return b.objectCases(many, peer) })
}

func (b *bench) objectCases(many int, peer *softHSM) ([]benchCase, error) {
	s := b.tcp.session
	for n := range many {
		_, err := keep(s, n)
		if err == nil {
			_, err = peer.keep(0, n, false)
		}
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", n, err)
		}
	}
	audited, err := b.auditCase()
	if err != nil {
		return nil, err
	}
	name := func(what string) string {
		return fmt.Sprintf("objects/%d/%s/callers=%d/softhsm2", many, what, manyCallers)
	}
	const against = "SoftHSM2 through PKCS#11"
	return []benchCase{
		comparison{
			name("find"), "searches by label", against, 1,
			load{callers: manyCallers, do: finder(s, many)},
			load{callers: manyCallers, do: peer.finder(many)},
		},
		comparison{
			name("create-destroy"), "objects made and destroyed", against, 1,
			load{callers: manyCallers, do: turnover(s)},
			load{callers: manyCallers, do: peer.turnover()},
		},
		audited,
	}, nil
}

func keep(s *hostdrv.Session, n int) (command.Handle, error) {
	return s.CreateObject(context.Background(), command.Template{
		command.AttrClass: command.ClassData, command.AttrToken: true, command.AttrPrivate: false,
		command.AttrLabel: label(n), command.AttrValue: []byte("value"),
	})
}

func finder(s *hostdrv.Session, many int) func(int) error {
	var n atomic.Int64
	return func(int) error {
		found, err := s.Find(context.Background(), command.Template{command.AttrLabel: label(int(n.Add(7)) % many)})
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("found %d objects", len(found))
		}
		return err
	}
}

func turnover(s *hostdrv.Session) func(int) error {
	return func(int) error {
		handle, err := keep(s, stock)
		if err != nil {
			return err
		}
		return s.Destroy(context.Background(), handle)
	}
}

// keep makes an object, in a file or in memory.
func (s *softHSM) keep(caller, n int, file bool) (pkcs11.ObjectHandle, error) {
	return s.module.CreateObject(s.sessions[caller], []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, file),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label(n)), pkcs11.NewAttribute(pkcs11.CKA_VALUE, []byte("value")),
	})
}

func (s *softHSM) finder(many int) func(int) error {
	var n atomic.Int64
	return func(caller int) error {
		session := s.sessions[caller]
		template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, label(int(n.Add(7))%many))}
		if err := s.module.FindObjectsInit(session, template); err != nil {
			return err
		}
		found, _, err := s.module.FindObjects(session, 10)
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("found %d objects", len(found))
		}
		return errors.Join(err, s.module.FindObjectsFinal(session))
	}
}

func (s *softHSM) turnover() func(int) error {
	return func(caller int) error {
		handle, err := s.keep(caller, stock+caller, true)
		if err != nil {
			return err
		}
		return s.module.DestroyObject(s.sessions[caller], handle)
	}
}

// auditCase compares signatures of which each is recorded with those of which
// none is. The host takes the records now and then, as it would anyway.
func (b *bench) auditCase() (benchCase, error) {
	plain, err := b.tcp.signer(keyAlgorithms[1])
	if err != nil {
		return nil, err
	}
	a, err := b.attach(b.wire.addresses["tcp"])
	if err != nil {
		return nil, err
	}
	recorded, err := a.signer(keyAlgorithms[1])
	if err != nil {
		return nil, err
	}
	empty, err := a.recordAll()
	if err != nil {
		return nil, err
	}
	var uses atomic.Int64
	return comparison{
		fmt.Sprintf("sign/p-256/callers=%d/audit", manyCallers), "signatures", "the same without records of them", 0.7,
		load{callers: manyCallers, do: func(caller int) error {
			if uses.Add(1)%1000 == 0 {
				if err := empty(); err != nil {
					return err
				}
			}
			return recorded(caller)
		}},
		load{callers: manyCallers, do: plain},
	}, nil
}

// recordAll has every use of a key recorded, and returns what empties the log.
func (a attached) recordAll() (empty func() error, err error) {
	ctx := context.Background()
	password := []byte("auditor-password")
	admin, err := a.device.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		admin.Logout(ctx), // the SO is logged in from setting the device up
		admin.InitRole(ctx, command.RoleAuditor, password),
		admin.Login(ctx, command.RoleAuditor, password),
		admin.SetAuditDomain(ctx, []byte("domain")),
		admin.SetAuditConfig(ctx, command.AuditConfig{Mask: command.AuditMask(command.AuditUsage | command.AuditSuccess | command.AuditFailure)}),
	)
	return func() error {
		status, err := admin.AuditStatus(ctx)
		if err != nil {
			return err
		}
		return admin.AuditAcknowledge(ctx, status.Head.Number)
	}, err
}
