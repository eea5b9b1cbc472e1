package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestSimulatorScripts runs each script of testdata/simulator with a simulator of
// its own, the real firmware binary. HSM7_USBIP is its address and HSM7_CONTROL
// its control socket. REPOSITORY is the top of this repository.
func TestSimulatorScripts(t *testing.T) {
	binary := buildFirmware(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/simulator",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// usbhsm7 starts another simulator with those flags, to which HSM7_USBIP then leads.
			"usbhsm7": func(ts *testscript.TestScript, _ bool, args []string) {
				f, err := start(binary, args...)
				ts.Check(err)
				ts.Defer(f.kill)
				ts.Setenv("HSM7_USBIP", f.address)
			},
		},
		Setup: func(env *testscript.Env) error {
			control := filepath.Join(env.WorkDir, "control.sock")
			f, err := start(binary, "--ephemeral", "--serial", "7000001", "--control", control)
			if err != nil {
				return err
			}
			env.Defer(f.kill)
			repository, err := filepath.Abs("../../..")
			if err != nil {
				return err
			}
			for name, value := range map[string]string{
				"REPOSITORY": repository,
				"HSM7_USBIP": f.address, "HSM7_CONTROL": control, "HSM7_VIA": "usbip",
				"HSM7_SO_PASSWORD": "so-password", "HSM7_PO_PASSWORD": "po-password", "HSM7_CO_PASSWORD": "co-password",
			} {
				env.Setenv(name, value)
			}
			return nil
		},
	})
}
