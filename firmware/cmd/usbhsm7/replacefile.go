package main

import (
	"errors"
	"io"
	"os"
)

// replaceFile puts a file, which only its owner may read, in the place of one that
// may be there: a crash leaves one of the two, whole.
func replaceFile(path string, content io.WriterTo) error {
	draft := path + ".new"
	file, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = content.WriteTo(file)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
