package dialogue

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/ikey"
)

// holders lists what is on iKeys: the kind of key of each subject, in words, and
// the colour of the sticker that people use for it.
var holders = []struct {
	kind    ikey.Kind
	whose   string
	sticker string
}{
	{ikey.Blank, "nobody", "any"},
	{ikey.SO, "HSM SO or Partition SO", "blue"},
	{ikey.User, "Crypto Officer, Limited Crypto Officer or Crypto User", "black or grey"},
	{ikey.Domain, "Domain", "red"},
	{ikey.Auditor, "Auditor", "white"},
	{ikey.RPV, "Remote PED", "orange"},
}

// kinds lists the kind of key of each role.
var kinds = map[command.Role]ikey.Kind{
	command.RoleSO: ikey.SO, command.RoleAdministrator: ikey.SO, command.RolePO: ikey.SO,
	command.RoleCO: ikey.User, command.RoleLCO: ikey.User, command.RoleCU: ikey.User,
	command.RoleAuditor: ikey.Auditor,
}

// kindOf returns the kind of key that a subject's secret is on.
func kindOf(s hsm.Subject) ikey.Kind {
	if s.Secret == hsm.SecretDomain {
		return ikey.Domain
	}
	return kinds[s.Role]
}

// nameOf tells people whose secret it is.
func nameOf(s hsm.Subject) string {
	name := "HSM"
	switch info, ok := s.Role.Info(); {
	case s.Secret == hsm.SecretDomain:
		name = "Domain"
	case ok:
		name = info.Name
	}
	if s.Label != "" {
		name += fmt.Sprintf(" of “%s”", s.Label)
	}
	return name
}

// holds tells people what a kind of key is for, and its sticker.
func holds(k ikey.Kind) (whose, sticker string) {
	for _, h := range holders {
		if h.kind == k {
			return h.whose, h.sticker
		}
	}
	return "something unknown", "any"
}
