package hsm_test

import (
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
)

// loader is a bootloader that notes what it is told, and can do everything.
type loader struct {
	status  command.UpdateStatus
	licence *hsm.Licence
	module  *hsm.Module
	refuse  error // if not nil, what every change ends with
	facts   hsm.UpdateFacts
	told    []string
}

func (l *loader) tell(what string) error {
	if l.refuse == nil {
		l.told = append(l.told, what)
	}
	return l.refuse
}

func (l *loader) Plan(_, _ []byte, f hsm.UpdateFacts) (*command.UpdatePlanResponse, error) {
	l.facts = f
	return &command.UpdatePlanResponse{Checks: []command.UpdateCheck{{Name: "genuine"}}, Running: "7.9.2", Version: "7.9.3"}, nil
}

func (l *loader) Begin(_, _ []byte, f hsm.UpdateFacts) error {
	l.facts = f
	return l.tell("begin")
}

func (l *loader) Chunks(uint, []byte) error   { return l.tell("chunk") }
func (l *loader) Stage() error                { return l.tell("stage") }
func (l *loader) Ready(hsm.UpdateFacts) error { return nil }
func (l *loader) Activate() error             { return l.tell("activate") }
func (l *loader) Abort() error                { return l.tell("abort") }
func (l *loader) RaiseFloor(uint32) error     { return l.tell("floor") }

func (l *loader) Rollback(modules bool) error {
	if modules {
		return command.StatusOperationRestricted.With("functional modules were enabled on this device", "")
	}
	return l.tell("rollback")
}

func (l *loader) Licence(file, _ []byte, _ hsm.UpdateFacts) (*hsm.Licence, error) {
	if l.licence == nil {
		return nil, command.StatusInvalidFUFHeader.With("not genuine", "")
	}
	return l.licence, l.refuse
}

func (l *loader) Module(_, _ []byte, _ hsm.UpdateFacts) (*hsm.Module, error) {
	if l.module == nil {
		return nil, command.StatusInvalidFUFHeader.With("not genuine", "")
	}
	return l.module, l.refuse
}

func (l *loader) Status() (*command.UpdateStatus, error) {
	status := l.status
	if status.Rollback == "" {
		status.Rollback = "7.9.1"
	}
	return &status, nil
}
