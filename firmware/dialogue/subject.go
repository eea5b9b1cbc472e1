package dialogue

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/ikey"
	"usbhsm7/touchscreen"
)

// holders lists what is on iKeys: the kind of key of each subject, in words, and
// the colour of the sticker that people use for it.
var holders = []struct {
	kind    ikey.Kind
	whose   string
	sticker string
	shown   touchscreen.Sticker // in pictures
}{
	{ikey.Blank, "nobody", "any", touchscreen.NoSticker},
	{ikey.SO, "HSM SO or Partition SO", "blue", touchscreen.Blue},
	{ikey.User, "Crypto Officer, Limited Crypto Officer or Crypto User", "black or grey", touchscreen.Black},
	{ikey.Domain, "Domain", "red", touchscreen.Red},
	{ikey.Auditor, "Auditor", "white", touchscreen.White},
	{ikey.RPV, "Remote PED", "orange", touchscreen.Orange},
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

// holder returns the row of a kind of key; an unknown one is for nobody.
func holder(k ikey.Kind) (whose, sticker string, shown touchscreen.Sticker) {
	for _, h := range holders {
		if h.kind == k {
			return h.whose, h.sticker, h.shown
		}
	}
	return holders[0].whose, holders[0].sticker, holders[0].shown
}
