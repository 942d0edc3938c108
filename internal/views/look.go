package views

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"pets/internal/owner"
)

// Found is what is in a folder of pieces.
type Found struct {
	Files int
	Bytes int64
	// Problems are the files that no start of a store would use, and why.
	Problems []string
}

// Look looks at the folder at dir, beside a running server. A missing folder is an error of
// fs.ErrNotExist. Whether the pieces are those of a checkpoint, only a start can tell.
func Look(dir, store string) (Found, error) {
	root, err := owner.OpenRoot(dir)
	if err != nil {
		return Found{}, err
	}
	defer root.Close() //nolint:errcheck // it was only looked at
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return Found{}, err
	}
	var found Found
	for _, e := range entries {
		if !ours(e.Name()) {
			continue
		}
		size, err := check(root, dir, e.Name(), store)
		if errors.Is(err, fs.ErrNotExist) { // the server has removed it meanwhile
			continue
		}
		found.Files++
		found.Bytes += size
		if err != nil {
			found.Problems = append(found.Problems, fmt.Sprintf("%s: %v", e.Name(), err))
		}
	}
	slices.Sort(found.Problems)
	return found, nil
}

// check checks the permissions and the header of a file.
func check(root *os.Root, dir, name, store string) (size int64, err error) {
	f, err := owner.Open(root, name, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if err := owner.TrustOf(dir).File(f); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	want := headerOf(store, name)
	header := make([]byte, len(want))
	if _, err := f.ReadAt(header, 0); err != nil && !errors.Is(err, io.EOF) {
		return info.Size(), err
	}
	if string(header) != string(want) {
		return info.Size(), errHeader
	}
	return info.Size(), nil
}
