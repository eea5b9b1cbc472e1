package hsm_test

import (
	"fmt"
	"slices"
	"strings"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/policy"
)

// writeState writes what destroys what, and what locks the HSM.
func writeState(b *strings.Builder) {
	writeErasures(b)
	writeTampers(b)
	b.WriteString("\n## Commands of a locked HSM\n\nAll others are refused. `login` is for the HSM SO alone.\n\n| Command | after a tamper event | in Secure Transport Mode | while the firmware has decayed |\n|---|:-:|:-:|:-:|\n")
	tampered, transport, recovery := hsm.WhileTampered(), hsm.InTransport(), hsm.InRecovery()
	for _, row := range command.Rows {
		locked, onItsWay := slices.Contains(tampered, row.Code), slices.Contains(transport, row.Code)
		damaged := slices.Contains(recovery, row.Code)
		if locked || onItsWay || damaged {
			fmt.Fprintf(b, "| [%s](protocol.md#%[1]s) | %s | %s | %s |\n", row.Name, mark(locked), mark(onItsWay), mark(damaged))
		}
	}
}

func mark(there bool) string {
	if there {
		return "x"
	}
	return ""
}

func writeErasures(b *strings.Builder) {
	b.WriteString("\n## What destroys what\n\nAn x is kept. Everything else is destroyed together with the keys that could read it ([security](security.md#destroying)).\n\n| Event |")
	for _, content := range hsm.ContentTable {
		fmt.Fprintf(b, " %s |", content.Name)
	}
	b.WriteString(" HSM then | partition then | Evidence |\n|---|" + strings.Repeat(":-:|", len(hsm.ContentTable)) + "---|---|---|\n")
	for _, row := range hsm.Erasures() {
		fmt.Fprintf(b, "| %s |", row.Event)
		for _, content := range hsm.ContentTable {
			fmt.Fprintf(b, " %s |", mark(row.Keeps.Has(content.Content)))
		}
		fmt.Fprintf(b, " %s | %s | %s |\n", row.HSM, row.Partition, row.Evidence)
	}
}

// writeTampers writes the reaction to each kind of cause under each combination
// of policies.
func writeTampers(b *strings.Builder) {
	b.WriteString(`
## Tamper events

| Policy 40 (decommission on tamper) | 46 (disable decommission) | 48 (controlled tamper recovery) | voltage, temperature, chassis | battery lost |
|---:|---:|---:|---|---|
`)
	for n := range 8 {
		var v policy.Values
		v[policy.DecommissionOnTamper], v[policy.DisableDecommission], v[policy.ControlledTamper] = uint16(n>>2&1), uint16(n>>1&1), uint16(n&1)
		fmt.Fprintf(b, "| %d | %d | %d | %s | %s |\n", n>>2&1, n>>1&1, n&1,
			reaction(hsm.ReactionTo(command.TamperOverVoltage, &v)), reaction(hsm.ReactionTo(command.TamperBatteryLost, &v)))
	}
	b.WriteString("\nAn HSM that is not initialised has nothing to destroy, and nobody has to log in to unlock it. These causes want the device to restart after they are cleared:")
	for i, info := range command.TamperTable {
		if info.Restart {
			fmt.Fprintf(b, "%s `%s`", map[bool]string{true: "", false: ","}[i == 0], info.Name)
		}
	}
	b.WriteString(".\n")
}

func reaction(r hsm.Reaction) string {
	switch {
	case r.Decommission && r.Locks:
		return "partition, roles and HSM SO are destroyed; locked until anybody clears it"
	case r.Decommission:
		return "partition and roles are destroyed"
	case r.Locks:
		return "locked until the HSM SO clears it; nothing is lost"
	}
	return "a warning"
}
