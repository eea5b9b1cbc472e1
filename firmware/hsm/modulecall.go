package hsm

import (
	"context"
	"slices"
	"strings"

	"usbhsm7/firmware/command"
)

// Modules is what functional modules run in. Errors have a command.Status.
type Modules interface {
	// Check reports whether code is a module, and the names of its functions, sorted.
	Check(code []byte) (functions []string, err error)
	// Call calls a function of a module and returns its output.
	Call(ctx context.Context, code []byte, function string, input []byte, host ModuleHost) ([]byte, error)
}

// ModuleHost answers what a module asks, as the session that called it.
type ModuleHost interface {
	// Ask runs a command; see package fm.
	Ask(code command.Code, request any) (response any, err error)
	// Log has a line recorded with the call.
	Log(line string) error
}

// moduleMay has the commands that modules may use.
var moduleMay = map[command.Code]handler{
	command.CodeInfo:        tell((*call).info),
	command.CodeRandom:      ask((*call).random),
	command.CodeDigest:      ask((*call).digest),
	command.CodeFindObjects: ask((*call).findObjects),
	command.CodeSign:        ask((*call).sign),
	command.CodeVerify:      take((*call).verify),
	command.CodeEncrypt:     ask((*call).encrypt),
	command.CodeDecrypt:     ask((*call).decrypt),
}

// moduleCall calls a function of a module.
func (c *call) moduleCall(r *command.ModuleCallRequest) (*command.ModuleCallResponse, error) {
	if err := c.mayUseModules(); err != nil {
		return nil, err
	}
	all := c.hsm.allModules()
	at := slices.IndexFunc(all, func(m module) bool { return m.Info.Name == r.Module })
	if at < 0 {
		return nil, c.hsm.noModule(r.Module)
	}
	host := &moduleHost{call: c}
	output, err := c.hsm.runs.Call(c.ctx, all[at].code, r.Function, r.Input, host)
	c.message = strings.Join(host.lines, "\n")
	if err != nil {
		return nil, err
	}
	return &command.ModuleCallResponse{Output: output}, nil
}

// moduleHost is a call as its module sees it.
type moduleHost struct {
	call  *call
	lines []string
}

// Ask implements ModuleHost. The command is authorised like one of the session that
// called the module, and recorded like it.
func (m *moduleHost) Ask(code command.Code, request any) (any, error) {
	run, ok := moduleMay[code]
	row, known := command.Lookup(code)
	if !ok || !known {
		return nil, command.StatusUnknownCommand.Withf("%v is no command for modules", code)
	}
	c := &call{ctx: m.call.ctx, hsm: m.call.hsm, host: m.call.host, row: row, request: request}
	response, err := c.asked(run, m.call.session.handle)
	if err := c.record(err); err != nil {
		return nil, err
	}
	return response, err
}

// asked authorises and runs a call whose request is there already.
func (c *call) asked(run handler, session uint32) (any, error) {
	if c.row.Need == command.NeedNothing {
		session = 0
	}
	if err := c.authorise(session); err != nil {
		return nil, err
	}
	if err := c.hasRoomInLog(); err != nil {
		return nil, err
	}
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	return run(c, c.request)
}

// Log implements ModuleHost.
func (m *moduleHost) Log(line string) error {
	m.lines = append(m.lines, strings.ToValidUTF8(line, "?"))
	return nil
}
