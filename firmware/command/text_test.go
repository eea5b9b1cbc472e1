package command_test

import (
	"encoding/json"
	"testing"

	"usbhsm7/firmware/command"
)

// What reads the JSON of hsm7 need not know the numbers of the wire.
func TestEnumerationsAreNamesInJSON(t *testing.T) {
	for _, test := range []struct {
		value any
		want  string
	}{
		{command.UpdateStatus{State: command.UpdateTrial, Last: command.UpdateFellBack, Running: "7.9.2"}, `{"state":"on trial","last":"fell back","running":"7.9.2","security":0,"floor":0}`},
		{command.UpdateCheck{Name: "valid path", Status: command.StatusBadFWVersion}, `{"name":"valid path","status":"LUNA_RET_BAD_FW_VERSION"}`},
		{command.TamperEvent{Cause: command.TamperChassisOpened}, `{"cause":"chassis-opened","time":0,"message":0}`},
		{command.AuditFinding{Fault: command.AuditDropped, Number: 7, Count: 1}, `{"fault":"dropped","number":7,"count":1}`},
		{command.HSMInitialised, `"initialised"`},
		{command.PartitionCreated, `"created"`},
		{command.AuthQuorum, `"quorum"`},
		{command.HaltTamper | command.HaltRestart, `"tampered with, must restart"`},
		{command.AuditMask(0), `"n"`},
		{command.Status(0xFFFFFFFF), `"FFFFFFFF : unknown status"`},
	} {
		if got, err := json.Marshal(test.value); err != nil || string(got) != test.want {
			t.Errorf("%s: %v, not %s", got, err, test.want)
		}
	}
}
