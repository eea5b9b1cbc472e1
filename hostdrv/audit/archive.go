package audit

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Archive writes files to w as a tar archive, under their names without
// directories.
func Archive(w io.Writer, paths []string) error {
	archive := tar.NewWriter(w)
	for _, path := range paths {
		if err := addFile(archive, path); err != nil {
			return fmt.Errorf("archive %s: %w", path, err)
		}
	}
	return archive.Close()
}

func addFile(archive *tar.Writer, path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: filepath.Base(path), Mode: 0o640, Size: info.Size(), ModTime: info.ModTime()}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(archive, file, info.Size()) // no more than was announced, if it grows
	return err
}
