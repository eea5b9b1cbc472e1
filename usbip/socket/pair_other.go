//go:build !linux

package socket

import "errors"

func pair() ([2]int, error) { return [2]int{}, errors.ErrUnsupported }
