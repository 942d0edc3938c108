package tradefile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"

	"pets/domain"
)

// limits keep one wrong file from taking the machine down.
type limits struct {
	bytes int64 // of one file, unpacked too
	rows  int   // of a run
	bad   int   // bad rows kept of a run
	row   int   // bytes
	cell  int   // bytes
	cells int   // of a row that are kept; no format has as many
}

var defaultLimits = limits{
	bytes: 2 << 30,
	rows:  5_000_000,
	bad:   1_000_000,
	row:   64 << 10,
	cell:  1 << 10,
	cells: 64,
}

// sizeOf asks before anything is opened: opening a pipe would wait for ever.
func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return 0, unopened(path, err)
	case info.IsDir():
		return 0, unusable(path, "is a directory; name the files in it")
	case !info.Mode().IsRegular():
		return 0, unusable(path, "is not a regular file")
	}
	return info.Size(), nil
}

// unopened keeps the path out of the cause: the FileError says it.
func unopened(path string, err error) *FileError {
	code, cause := domain.CodeInvalid, err
	if errors.Is(err, fs.ErrNotExist) {
		code = domain.CodeNotFound
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		cause = pe.Err
	}
	return &FileError{File: path, Err: &domain.Error{Code: code, Message: "cannot be read", Cause: cause}}
}

// load reads a file whole: rows are hashed as raw bytes, and a run holds all its
// rows for the merge anyway.
func load(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unopened(path, err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := readAtMost(f, most)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, unusable(path, "has over %d bytes; split it", most)
	case err != nil:
		return nil, unopened(path, err)
	}
	return data, nil
}

var errTooLarge = errors.New("too large")

// readAtMost reads one byte more than is allowed, so that a full file can be told
// from one that was cut off.
func readAtMost(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, errTooLarge
	}
	return data, nil
}

var (
	gzipMagic = []byte{0x1f, 0x8b}
	utf8BOM   = []byte{0xef, 0xbb, 0xbf}
)

// unpack returns the text of a file as it was stored.
func unpack(path string, stored []byte, most int64) ([]byte, error) {
	if !bytes.HasPrefix(stored, gzipMagic) {
		return stored, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(stored))
	if err != nil {
		return nil, unusable(path, "is damaged: %v", err)
	}
	data, err := readAtMost(z, most)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, unusable(path, "unpacks to over %d bytes; split it", most)
	case err != nil:
		return nil, unusable(path, "is damaged or cut off: %v", err)
	}
	return data, nil
}

// checkKind names the kinds of files that are given by mistake and would
// otherwise only be told that they have an odd header.
func checkKind(path string, data []byte) error {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return unusable(path, "is empty; it needs at least a header line\n%s", knownFormats())
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return unusable(path, "is UTF-16 text; save it as UTF-8")
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return unusable(path, "is a spreadsheet or zip archive; save it as CSV")
	}
	return nil
}
