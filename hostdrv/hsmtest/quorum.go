package hsmtest

import (
	"context"
	"errors"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/ikey"
	"usbhsm7/ikey/ring"
	"usbhsm7/touchscreen"
)

// Custodians is the script of a person with one iKey for each role and one for all
// domains, none of which has a PIN.
const Custodians = `
key so blue
key administrator blue
key auditor white
key po blue
key lco grey
key co black
key cu grey
key domain red
once create/reuse "Domain": no
when create/reuse "Domain": yes
when create/reuse: no
when create/m: number 1
when create/n: number 1
when write/insert "HSM Security Officer": insert so
when write/insert "Administrator": insert administrator
when write/insert "Auditor": insert auditor
when write/insert "Partition Security Officer": insert po
when write/insert "Limited Crypto Officer": insert lco
when write/insert "Crypto Officer": insert co
when write/insert "Crypto User": insert cu
when write/insert "Domain": insert domain
when write/blank: yes
when write/used: yes
when write/pin: ok
when create/duplicate: no
when present/insert "HSM Security Officer": insert so
when present/insert "Administrator": insert administrator
when present/insert "Auditor": insert auditor
when present/insert "Partition Security Officer": insert po
when present/insert "Limited Crypto Officer": insert lco
when present/insert "Crypto Officer": insert co
when present/insert "Crypto User": insert cu
when present/insert "Domain": insert domain
when confirm: yes
when reveal: ok
`

// Quorum has roles authenticate with iKeys instead of passwords, and a person
// attend to the device by a script (docs/trusted-path.md), such as Custodians.
// The person stays through PowerCycle; a fork has no screen, and nobody can log in
// to it. A screen that the script does not know fails the test.
func Quorum(script string) Option { return func(o *options) { o.script = script } }

// people are somebody in front of a device, what they look at, and their iKeys.
type people struct {
	front  person.Front
	reader *ikey.Reader
}

// attend puts a person in front of a screen until the test ends.
func attend(t testing.TB, script string) *people {
	t.Helper()
	parsed, err := person.Parse(script, dialogue.Screens())
	if err != nil {
		t.Fatal(err)
	}
	panel, err := touchscreen.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	port := ikey.NewPort()
	p := &people{front: person.Front{Panel: panel, Keys: ring.New(port, nil)}, reader: ikey.NewReader(port)}
	ctx, leave := context.WithCancel(context.WithoutCancel(t.Context()))
	left := make(chan error, 1)
	go func() { left <- (&person.Person{Script: parsed, Hands: p.front}).Attend(ctx) }()
	t.Cleanup(func() {
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the person in front of the HSM: %v", err)
		}
		p.front.Keys.Close()
	})
	return p
}

// equip gives a device what the people stand in front of; nil people are nobody.
func (p *people) equip(c *device.Config) {
	if p != nil {
		c.Panel, c.Reader = p.front.Panel, p.reader
	}
}

// passwordFor is what d logs a role in with: nothing where people present iKeys.
func (d *Device) passwordFor(role command.Role) []byte {
	if d.people != nil {
		return nil
	}
	return Password(role)
}

// method is how the roles of d authenticate.
func (d *Device) method() command.AuthMethod {
	if d.people != nil {
		return command.AuthQuorum
	}
	return command.AuthPassword
}

// Keys returns the iKeys in front of a device with Quorum, to lose or damage them;
// nil if there are none.
func (d *Device) Keys() *ring.Ring {
	if d.people == nil {
		return nil
	}
	return d.people.front.Keys
}
