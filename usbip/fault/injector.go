package fault

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"usbhsm7/usbip/usb"
)

// Options of an Injector. The zero value will do for a device without commands.
type Options struct {
	Logger   *slog.Logger // nil means silent; a rule's first fault at info, the others at debug
	Commands Commands     // nil means that scripts cannot select by command
}

// Device is what an Injector can stand in front of. *usb.Device is one.
type Device interface {
	usb.Port
	Unplug()
	Plug()
	Descriptors() usb.Descriptors
}

// Injector makes the faults of one script at a time happen. Its methods may be
// called from any goroutine.
type Injector struct {
	options Options
	rules   atomic.Pointer[rules] // nil = no script

	mu    sync.Mutex // held while a script is loaded or cleared; guards ports
	ports map[*Port]struct{}
}

// New returns an injector without a script.
func New(o Options) *Injector {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Injector{options: o, ports: map[*Port]struct{}{}}
}

// Load puts a script in force, in the place of the one before, and starts its
// counters and its time. What is pending is not touched. If Load fails the script
// before stays in force. Errors: ErrScript, ErrForbidden.
func (i *Injector) Load(s Script) error {
	if err := s.forbidden(); err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return err
	}
	active, err := activate(s, i.options.Commands)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rules.Store(nil)
	for p := range i.ports {
		p.relent()
	}
	i.rules.Store(active)
	for p := range i.ports {
		p.engage(active)
	}
	i.options.Logger.Info("faults loaded", "rules", len(s.Rules), "seed", s.Seed)
	return nil
}

// Clear takes the script out of force. Transfers that it holds go on, those at the
// device are spared unless they had begun to fail, and a device that it unplugged is
// plugged in again when Clear returns. An endpoint that it halted stays halted until
// the host clears the halt.
func (i *Injector) Clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.rules.Swap(nil) == nil {
		return
	}
	for p := range i.ports {
		p.relent()
	}
	i.options.Logger.Info("faults cleared")
}

// Report tells what the script in force has done. Without one it is empty.
func (i *Injector) Report() Report {
	if a := i.rules.Load(); a != nil {
		return a.report()
	}
	return Report{Rules: []RuleReport{}}
}

// Port returns d with the faults of the injector's scripts. It must be closed when
// d is switched off.
func (i *Injector) Port(d Device) *Port {
	p := newPort(i, d)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ports[p] = struct{}{}
	if active := i.rules.Load(); active != nil {
		p.engage(active)
	}
	return p
}

func (i *Injector) forget(p *Port) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.ports, p)
}

// Listener returns l with the faults of connections. They meet connections that
// come while the script is in force, until it is cleared; others are not even
// wrapped.
func (i *Injector) Listener(l net.Listener) net.Listener { return &listener{l, i} }

// log tells that a rule fired.
func (i *Injector) log(f firing, what string, args ...any) {
	level := slog.LevelDebug
	if f.first {
		level = slog.LevelInfo
	}
	if !i.options.Logger.Enabled(context.Background(), level) {
		return
	}
	args = append(args, "rule", f.rule.where(f.index), "text", f.rule.String())
	i.options.Logger.Log(context.Background(), level, fmt.Sprintf("fault in a %s", what), args...)
}
