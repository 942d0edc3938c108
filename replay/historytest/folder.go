package historytest

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Pack stores a folder in a new file, and refuses to replace one.
func Pack(path, dir string) error {
	return create(path, func(w io.Writer) error {
		t := tar.NewWriter(w)
		if err := t.AddFS(os.DirFS(dir)); err != nil {
			return err
		}
		return t.Close()
	})
}

// Unpack restores a packed folder, as files that only the owner can read.
func Unpack(path, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for t := tar.NewReader(z); ; {
		head, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(head.Name) {
			return fmt.Errorf("%s holds %q, which leads out of the folder", path, head.Name)
		}
		if err := unpackOne(filepath.Join(dir, head.Name), head.FileInfo(), t); err != nil { //nolint:gosec // checked above
			return err
		}
	}
}

func unpackOne(path string, info fs.FileInfo, from io.Reader) error {
	if info.IsDir() {
		return os.MkdirAll(path, 0o700)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	b, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}
