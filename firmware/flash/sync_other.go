//go:build !linux

package flash

import "os"

// syncData waits for the content.
func syncData(f *os.File) error { return f.Sync() }
