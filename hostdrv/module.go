package hostdrv

import (
	"context"

	"usbhsm7/firmware/command"
)

// LoadModule has the device take a functional module, the file whole, as the HSM SO. It
// takes the place of one with the same name.
func (s *Session) LoadModule(ctx context.Context, file, authcode []byte) (command.ModuleInfo, error) {
	return ask[command.ModuleInfo](ctx, s, command.CodeModuleLoad, &command.ModuleLoadRequest{File: file, Authcode: authcode, Client: Version})
}

// Modules lists the functional modules by their names.
func (s *Session) Modules(ctx context.Context) ([]command.ModuleInfo, error) {
	r, err := ask[command.ModuleListResponse](ctx, s, command.CodeModuleList, nil)
	return r.Modules, err
}

// DeleteModule deletes a functional module, as the HSM SO.
func (s *Session) DeleteModule(ctx context.Context, name string) error {
	return tell(ctx, s, command.CodeModuleDelete, &command.ModuleDeleteRequest{Name: name})
}

// CallModule calls a function of a functional module and returns its output. The
// module uses keys with the rights of the session, whose slot is the partition.
func (s *Session) CallModule(ctx context.Context, module, function string, input []byte) ([]byte, error) {
	r, err := ask[command.ModuleCallResponse](ctx, s, command.CodeModuleCall, &command.ModuleCallRequest{Module: module, Function: function, Input: input})
	return r.Output, err
}
