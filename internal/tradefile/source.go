package tradefile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"

	"pets/domain"
)

// limits protect the machine from a single wrong file.
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

// sizeOf checks the file before it is opened: opening a pipe would block forever.
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

// unopened removes the path from the cause, because the FileError names it.
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

// load reads a whole file: rows are hashed as raw bytes, and are read again from
// them later.
func load(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unopened(path, err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	hint := int64(0)
	if info, err := f.Stat(); err == nil {
		hint = info.Size()
	}
	data, err := readAtMost(f, hint, most)
	switch {
	case errors.Is(err, errFileTooLarge):
		return nil, unusable(path, "has over %d bytes; split it", most)
	case err != nil:
		return nil, unopened(path, err)
	}
	return data, nil
}

var errFileTooLarge = errors.New("too large")

// readAtMost reads one byte more than is allowed, to distinguish a file of the
// full size from a longer one. hint is the probable number of bytes.
func readAtMost(r io.Reader, hint, most int64) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, min(hint, most)+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(r, most+1)); err != nil {
		return nil, err
	}
	if int64(b.Len()) > most {
		return nil, errFileTooLarge
	}
	return b.Bytes(), nil
}

// unpackedHint returns the length that a gzip file states for its content, if
// plausible: deflate packs at most 1032 bytes into one.
func unpackedHint(stored []byte) int64 {
	if len(stored) < 4 {
		return 0
	}
	return min(int64(binary.LittleEndian.Uint32(stored[len(stored)-4:])), 1032*int64(len(stored)))
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
	data, err := readAtMost(z, unpackedHint(stored), most)
	switch {
	case errors.Is(err, errFileTooLarge):
		return nil, unusable(path, "unpacks to over %d bytes; split it", most)
	case err != nil:
		return nil, unusable(path, "is damaged or cut off: %v", err)
	}
	return data, nil
}

// checkKind recognises kinds of files that are given by mistake, for a better
// message than an unknown header.
func checkKind(path string, data []byte) error {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return unusable(path, "is empty; it needs at least a header line\n%s", knownFormats())
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return unusable(path, "is UTF-16 text; save it as UTF-8")
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return unusable(path, "is a spreadsheet or zip archive; save it as CSV")
	case bytes.HasPrefix(data, []byte("SQLite format 3\x00")):
		return unusable(path, "is a SQLite database, not CSV; export the trades from it, for example with sqlite3 -header -csv\n%s", knownFormats())
	case isJSON(data):
		return unusable(path, "is JSON, not CSV; export the trades as CSV\n%s", knownFormats())
	}
	return nil
}

// isJSON reports whether the text begins with a bracket, which no header does.
func isJSON(data []byte) bool {
	text := bytes.TrimLeft(data, " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}
