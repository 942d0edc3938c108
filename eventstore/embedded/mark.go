package embedded

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/google/uuid"
)

// mark is the open durable mark of a folder. The writer overwrites it after
// every flush and before it acknowledges anything, so a reader in another
// process that shows only what lies before the mark shows only durable records.
// It is not flushed itself: whatever a power cut leaves of it is an older mark,
// and an older mark is still a true lower bound.
type mark struct {
	file  File
	path  string
	store uuid.UUID
}

// markReads bounds the attempts to read a mark that is being overwritten.
const markReads = 100

func openMark(fsys FS, dir string, mode Mode) (*mark, error) {
	path := filepath.Join(dir, markName)
	f, err := fsys.Open(path, mode)
	if err != nil {
		return nil, fmt.Errorf("open durable mark: %w", err)
	}
	return &mark{file: f, path: path}, nil
}

// read returns the position of the mark. A read may meet an overwrite half-way
// and is then repeated; only a mark that stays wrong is damaged.
func (m *mark) read() (uint64, error) {
	b := make([]byte, markLen)
	var err error
	for range markReads {
		if _, err = m.file.ReadAt(b, 0); err != nil {
			if errors.Is(err, io.EOF) {
				return 0, &DamageError{File: m.path, Reason: "the durable mark is cut short", Cause: err}
			}
			return 0, fmt.Errorf("read durable mark: %w", err)
		}
		store, position, bad := decodeMark(b)
		if err = bad; err != nil {
			continue
		}
		if m.store != uuid.Nil && store != m.store {
			return 0, &DamageError{File: m.path, Offset: 16, Reason: fmt.Sprintf("the durable mark belongs to store %s, not %s", store, m.store)}
		}
		m.store = store
		return position, nil
	}
	return 0, damagedBy(m.path, 0, err)
}

// write moves the mark.
func (m *mark) write(position uint64) error {
	if _, err := m.file.WriteAt(encodeMark(m.store, position), 0); err != nil {
		return fmt.Errorf("write durable mark: %w", err)
	}
	return nil
}

// damagedBy turns what is wrong with a file's header into an error that names
// the file.
func damagedBy(path string, offset uint64, err error) error {
	var version *VersionError
	if errors.As(err, &version) {
		return &VersionError{File: path, Found: version.Found}
	}
	return &DamageError{File: path, Offset: offset, Reason: err.Error()}
}
