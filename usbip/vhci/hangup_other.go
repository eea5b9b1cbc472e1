//go:build !linux

package vhci

import (
	"context"
	"syscall"
)

// hangUp waits for ctx: there is no vhci_hcd but on Linux.
func hangUp(ctx context.Context, _ syscall.Conn) { <-ctx.Done() }
