package hsm_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
)

// TestSigningWhileEverythingChanges signs with eight callers while others make
// and destroy keys, rename them, log in and out, search and ask.
func TestSigningWhileEverythingChanges(t *testing.T) {
	u := ready(t)
	pair := u.ec("signer", p256)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { u.repeat(20, u.signOnce(pair)) })
	}
	for i := range 2 {
		all.Go(func() { u.repeat(10, u.makeAndDestroy(fmt.Sprint("fleeting", i))) })
	}
	all.Go(func() { u.repeat(10, u.rename(pair.Public)) })
	all.Go(func() { u.repeat(10, u.comeAndGo()) })
	all.Go(func() { u.repeat(20, func() { u.find(token("signer")); u.info() }) })
	all.Wait()

	if n := u.info().Objects; n != 2 {
		t.Errorf("%d objects left, want 2", n)
	}
	u = u.again()
	if got := u.find(nil); !slices.Equal(got, []command.Handle{pair.Public, pair.Private}) {
		t.Errorf("found %v", got)
	}
}

// TestManyHostsWaitForPeopleAtOnce has people do nothing until everyone waits for
// them, and looks around meanwhile.
func TestManyHostsWaitForPeopleAtOnce(t *testing.T) {
	const hosts = 8
	q := quorum(t)
	arrived, leave := make(chan struct{}, hosts), make(chan struct{})
	q.people.When(func(context.Context, hsm.Subject) error {
		arrived <- struct{}{}
		<-leave
		return nil
	})
	var all sync.WaitGroup
	for n := range hosts {
		host := q.hsm.Connect()
		session := q.openOn(host, command.SlotPartition, false)
		all.Go(func() {
			role := []command.Role{command.RoleCO, command.RoleCU}[n%2]
			q.tolerant(host, command.CodeLogin, session, &command.LoginRequest{Role: role}, nil)
		})
	}
	for range hosts {
		<-arrived
	}
	if s := q.role(q.user, command.RoleCO); s.AttemptsLeft != 10 || s.LoggedIn {
		t.Errorf("while everyone waits: %+v", s)
	}
	q.ok(command.CodeSessionClose, q.open(command.SlotAdmin, false), nil, nil) // a change
	close(leave)
	all.Wait()
	if s := q.role(q.user, command.RoleCO); s.AttemptsLeft != 10 {
		t.Errorf("afterwards: %+v", s)
	}
}

func (u *unit) repeat(n int, f func()) {
	for range n {
		f()
	}
}

// tolerant runs a command and reports any other status than OK without ending
// the test, as is due outside its goroutine.
func (u *unit) tolerant(host interface {
	Execute(context.Context, command.Code, uint32, []byte) (command.Status, []byte)
}, code command.Code, session uint32, in, out any,
) {
	payload, err := command.Marshal(in)
	if err != nil {
		u.t.Error(err)
		return
	}
	status, answer := host.Execute(context.Background(), code, session, payload)
	if status != command.StatusOK {
		u.t.Errorf("%s: %v%s", code, status, reason(answer))
	} else if err := command.Unmarshal(answer, out); err != nil {
		u.t.Errorf("%s: %v", code, err)
	}
}

func (u *unit) signOnce(pair command.KeyPairResponse) func() {
	ecdsa := command.Mechanism{Type: command.MechECDSA}
	hash := make([]byte, 32)
	return func() {
		var r command.SignResponse
		u.tolerant(u.host, command.CodeSign, u.user, &command.SignRequest{Mechanism: ecdsa, Key: pair.Private, Data: hash}, &r)
		u.tolerant(u.host, command.CodeVerify, u.user, &command.VerifyRequest{Mechanism: ecdsa, Key: pair.Public, Data: hash, Signature: r.Signature}, nil)
	}
}

func (u *unit) makeAndDestroy(label string) func() {
	return func() {
		var r command.ObjectResponse
		u.tolerant(u.host, command.CodeGenerateKey, u.user, &command.GenerateKeyRequest{
			Mechanism: command.Mechanism{Type: command.MechAESKeyGen}, Template: token(label, command.AttrValueLen, uint64(16)),
		}, &r)
		u.tolerant(u.host, command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: r.Object}, nil)
	}
}

func (u *unit) rename(h command.Handle) func() {
	n := byte(0)
	return func() {
		n++
		u.tolerant(u.host, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{Object: h, Attributes: command.Template{command.AttrID: []byte{n}}}, nil)
	}
}

// comeAndGo is another host that logs in and leaves.
func (u *unit) comeAndGo() func() {
	return func() {
		host := u.hsm.Connect()
		defer host.Close()
		var s command.SessionOpenResponse
		u.tolerant(host, command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: command.SlotPartition}, &s)
		u.tolerant(host, command.CodeLogin, s.Session, &command.LoginRequest{Role: command.RoleCO, Password: []byte(coPassword)}, nil)
		var r command.FindObjectsResponse
		u.tolerant(host, command.CodeFindObjects, s.Session, &command.FindObjectsRequest{}, &r)
	}
}

// TestGuessesAtOnce lets many hosts guess at the same time and wants no more
// answers than there are attempts.
func TestGuessesAtOnce(t *testing.T) {
	u := powerOn(t, stage(t).ready.Clone())
	payload, err := command.Marshal(&command.LoginRequest{Role: command.RoleSO, Password: []byte("a wrong one")})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	answers := make(chan command.Status, 16)
	for range cap(answers) {
		host := u.hsm.Connect()
		session := u.openOn(host, command.SlotAdmin, false)
		all.Go(func() {
			status, _ := host.Execute(context.Background(), command.CodeLogin, session, payload)
			answers <- status
		})
	}
	all.Wait()
	close(answers)
	count := map[command.Status]int{}
	for status := range answers {
		count[status]++
	}
	if count[command.StatusPINIncorrect] != 2 || count[command.StatusSOLoginFailureThreshold] != 1 || count[command.StatusPINNotInitialized] != 13 {
		t.Errorf("answers %v", count)
	}
}

// TestZeroizeDuringEverything destroys the HSM under the feet of commands; each
// of them succeeds or is refused, and nothing is left.
func TestZeroizeDuringEverything(t *testing.T) {
	u := ready(t)
	pair := u.ec("signer", p256)
	admin := u.hsm.Connect()
	session := u.openOn(admin, command.SlotAdmin, false)
	u.on(admin, command.StatusOK, command.CodeLogin, session, &command.LoginRequest{Role: command.RoleSO, Password: []byte(soPassword)}, nil)
	generate := sample(t, mustRow(t, command.CodeGenerateKeyPair), command.SlotPartition)
	sign, err := command.Marshal(&command.SignRequest{Mechanism: command.Mechanism{Type: command.MechECDSA}, Key: pair.Private, Data: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for status := command.StatusOK; status == command.StatusOK; {
				u.host.Execute(context.Background(), command.CodeSign, u.user, sign)
				status, _ = u.host.Execute(context.Background(), command.CodeGenerateKeyPair, u.user, generate)
			}
		})
	}
	u.on(admin, command.StatusOK, command.CodeHSMZeroize, session, nil, nil)
	all.Wait()
	if i := u.info(); i.State != command.HSMZeroized || i.Objects != 0 || i.Sessions != 2 {
		t.Errorf("info %+v", i)
	}
	u.reboot()
}

func mustRow(t testing.TB, code command.Code) command.Row {
	t.Helper()
	row, ok := command.Lookup(code)
	if !ok {
		t.Fatalf("no row %v", code)
	}
	return row
}
