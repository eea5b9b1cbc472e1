package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"usbhsm7/usbip/vhci"
)

// watchLine is one line of attach --watch --json.
type watchLine struct {
	Time     time.Time      `json:"time"`
	Event    vhci.EventKind `json:"event"`
	Port     *vhci.Port     `json:"port,omitempty"`
	Error    string         `json:"error,omitempty"`
	Hint     string         `json:"hint,omitempty"`
	Attempts int            `json:"attempts,omitempty"`
}

// watch keeps a device attached until ctx ends, and prints what happens.
func (a *app) watch(ctx context.Context, remote vhci.Remote) error {
	return vhci.Supervisor{Remote: remote, Notify: a.watched}.Run(ctx)
}

// watched prints one event. Nobody may listen any more; that does not end the
// watch.
func (a *app) watched(e vhci.Event) {
	line := watchLine{Time: time.Now(), Event: e.Kind, Attempts: e.Attempts}
	if e.Port != (vhci.Port{}) {
		line.Port = &e.Port
	}
	if e.Err != nil {
		line.Error, line.Hint = e.Err.Error(), hint(e.Err)
	}
	_ = a.print(line, func(w io.Writer) {
		fmt.Fprintf(w, "%s  %s\n", line.Time.Format(time.DateTime), eventText(e))
	})
}

// eventText tells an event to people.
func eventText(e vhci.Event) string {
	switch e.Kind {
	case vhci.Attached:
		return fmt.Sprintf("attached  %s", e.Port)
	case vhci.Lost:
		return fmt.Sprintf("lost      port %d: the device is gone, it is attached again when it is back", e.Port.Number)
	case vhci.Failed:
		return fmt.Sprintf("waiting   %s", explain(e.Err))
	}
	return string(e.Kind)
}
