package policies

import (
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/fuf"
)

// What the combinations of the bootloader are made of. The device runs firmware 7.9.4 with security
// version 3, which is confirmed, and data schema 1, which firmware that is built in has.
const (
	policyOff   = 42 // that every update here wants to be off
	needsFree   = 40 // percent of the storage that every update here wants
	runSecurity = 3
)

var (
	running = fuf.V(7, 9, 4)
	client  = fuf.V(1, 4, 0)
	begins  = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) // of the time in which every update here may be installed
	ends    = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
)

// setting is one combination, as far as it has been made.
type setting struct {
	state   string
	release fuf.Release
	facts   boot.Facts
	code    fuf.Authcode
}

// value is a value of an axis.
type value struct {
	name string
	set  func(*setting)
}

// axis is something that can be different.
type axis struct {
	name   string
	signed bool // it stands in the file
	values []value
}

// bootAxes lists what is combined when the bootloader is asked.
func bootAxes() []axis {
	return []axis{
		{"kind", true, []value{
			{"firmware", func(s *setting) { s.release.Kind = fuf.Firmware }},
			{"capability", func(s *setting) { s.release.Kind = fuf.Capability }},
			{"module", func(s *setting) { s.release.Kind = fuf.Module }},
		}},
		{"model", true, []value{
			{"this", func(s *setting) { s.release.Models = []string{"U690", boottest.Model} }},
			{"another", func(s *setting) { s.release.Models = []string{"U690", "U790"} }},
		}},
		{"from", true, []value{
			{"exactly", func(s *setting) { s.release.ValidFrom = []fuf.Range{{From: running, To: running}} }},
			{"among", func(s *setting) {
				s.release.ValidFrom = []fuf.Range{{From: fuf.V(7, 0, 1), To: fuf.V(7, 4, 1)}, {From: fuf.V(7, 7, 0), To: running}}
			}},
			{"older", func(s *setting) {
				s.release.ValidFrom = []fuf.Range{{From: fuf.V(7, 0, 1), To: fuf.V(7, 4, 1)}, {From: fuf.V(7, 7, 0), To: fuf.V(7, 9, 3)}}
			}},
			{"newer", func(s *setting) { s.release.ValidFrom = []fuf.Range{{From: fuf.V(7, 9, 5), To: fuf.V(8, 0, 0)}} }},
		}},
		{"security", true, []value{
			{"below", func(s *setting) { s.release.SecurityVersion = runSecurity - 1 }},
			{"same", func(s *setting) { s.release.SecurityVersion = runSecurity }},
			{"above", func(s *setting) { s.release.SecurityVersion = runSecurity + 1 }},
		}},
		{"schema", true, []value{
			{"same", func(s *setting) { s.release.Data = fuf.DataChange{From: 1, To: 1} }},
			{"later", func(s *setting) { s.release.Data = fuf.DataChange{From: 2, To: 2} }},
			{"earlier", func(s *setting) { s.release.Data = fuf.DataChange{From: 0, To: 0} }},
		}},
		{"bootloader", true, []value{
			{"this", func(s *setting) { s.release.MinBootloader = boot.Version() }},
			{"later", func(s *setting) { s.release.MinBootloader = fuf.V(99, 0, 0) }},
		}},
		{"time", false, []value{
			{"early", func(s *setting) { s.facts.Now = begins.Add(-time.Second) }},
			{"first", func(s *setting) { s.facts.Now = begins }},
			{"last", func(s *setting) { s.facts.Now = ends }},
			{"late", func(s *setting) { s.facts.Now = ends.Add(time.Second) }},
		}},
		{"client", false, []value{
			{"enough", func(s *setting) { s.facts.Client = client }},
			{"old", func(s *setting) { s.facts.Client = fuf.V(1, 3, 9) }},
		}},
		{"policy", false, []value{
			{"off", func(s *setting) { s.facts.PoliciesOn = []uint32{12, 15} }},
			{"on", func(s *setting) { s.facts.PoliciesOn = []uint32{12, policyOff} }},
		}},
		{"storage", false, []value{
			{"free", func(s *setting) { s.facts.FreePercent = needsFree }},
			{"full", func(s *setting) { s.facts.FreePercent = needsFree - 1 }},
		}},
		{"code", false, []value{
			{"right", func(s *setting) { s.code = boottest.Code }},
			{"wrong", func(s *setting) { s.code = fuf.Authcode{1} }},
		}},
		{"state", false, []value{
			{"idle", func(s *setting) { s.state = "idle" }},
			{"receiving", func(s *setting) { s.state = "receiving" }},
			{"staged", func(s *setting) { s.state = "staged" }},
			{"trial", func(s *setting) { s.state = "trial" }},
			{"rolling-back", func(s *setting) { s.state = "rolling-back" }},
		}},
	}
}

// describe returns axes as the product knows them.
func describe(axes []axis) (names []Axis) {
	for _, a := range axes {
		d := Axis{Name: a.name}
		for _, v := range a.values {
			d.Values = append(d.Values, v.name)
		}
		names = append(names, d)
	}
	return names
}

// settle makes the setting of a combination, and names the file that is in it.
func settle(axes []axis, c combination) (s setting, file string) {
	s = base()
	for _, a := range axes {
		for _, v := range a.values {
			if v.name == c[a.name] {
				v.set(&s)
			}
		}
		if a.signed {
			file += c[a.name] + ","
		}
	}
	return s, file
}

// base is what every combination begins from.
func base() setting {
	r := boottest.Release(boottest.Image(fuf.V(7, 9, 6), runSecurity, payloadSize, 9))
	r.MinClient, r.NotBefore, r.NotAfter = client, begins.Unix(), ends.Unix()
	r.Requires = fuf.Requirements{PoliciesOff: []uint32{policyOff}, FreePercent: needsFree}
	return setting{release: r}
}

// payloadSize is the size of the images, bytes.
const payloadSize = 300
