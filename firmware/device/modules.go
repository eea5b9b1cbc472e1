package device

import (
	"context"

	"usbhsm7/firmware/fm"
	"usbhsm7/firmware/hsm"
)

// modules is what functional modules run in, as the core knows it.
type modules struct{ *fm.Engine }

var _ hsm.Modules = modules{}

// Call implements hsm.Modules.
func (m modules) Call(ctx context.Context, code []byte, function string, input []byte, host hsm.ModuleHost) ([]byte, error) {
	return m.Engine.Call(ctx, code, function, input, host)
}
