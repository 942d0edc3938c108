package embedded

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/google/uuid"
)

// mark is the open durable mark of a folder. The writer moves it after every
// flush and before it acknowledges anything, so a reader in another process that
// shows only what lies before the mark shows only durable records. The mark
// itself is not flushed: a power cut leaves an older mark, which is still a
// correct lower bound.
type mark struct {
	file  File
	path  string
	store uuid.UUID
	slot  int64 // the slot of the next write: not the current one
}

// openMark opens the mark to read it.
func openMark(folder Dir, dir string) (*mark, error) {
	path := filepath.Join(dir, markName)
	f, err := folder.Open(markName, Read)
	if err != nil {
		return nil, fmt.Errorf("open durable mark: %w", err)
	}
	return &mark{file: f, path: path}, nil
}

// Identify returns the UUID of the store in a folder, which may be damaged, as
// its mark gives it. Nothing is locked or written.
func Identify(dir string) (uuid.UUID, error) {
	folder, err := osFS{}.OpenDir(dir)
	if err != nil {
		return uuid.Nil, err
	}
	defer func() { _ = folder.Close() }() // opened for reading only
	m, err := openMark(folder, dir)
	if err != nil {
		return uuid.Nil, err
	}
	defer func() { _ = m.file.Close() }() // see above
	_, err = m.read()
	return m.store, err
}

func newMark(store uuid.UUID) []byte {
	b := make([]byte, markSlots*sectorLen)
	copy(b, encodeMark(store, 0))
	copy(b[sectorLen:], encodeMark(store, 0))
	return b
}

// read returns the position of the mark. An invalid slot is being written, or a
// crash interrupted its write; the other one is then the latest valid one. The
// mark is damaged only if both are invalid.
func (m *mark) read() (uint64, error) {
	position, next, err := m.look()
	if err != nil {
		return 0, err
	}
	m.store, m.slot = next.store, next.slot
	return position, nil
}

// look reads the position of the mark and changes nothing, so it may run beside
// the writer.
func (m *mark) look() (position uint64, next mark, err error) {
	b := make([]byte, markSlots*sectorLen)
	if _, err := m.file.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, next, fmt.Errorf("read durable mark: %w", err)
	}
	next.store = m.store
	var wrong error
	found := false
	for slot := range int64(markSlots) {
		store, at, err := decodeMark(b[slot*sectorLen:][:markLen])
		switch {
		case err != nil:
			wrong = damagedBy(m.path, uint64(slot)*sectorLen, err)
		case next.store != uuid.Nil && store != next.store:
			return 0, next, &DamageError{File: m.path, Reason: fmt.Sprintf("the durable mark belongs to store %s, not %s", store, next.store)}
		case !found || at > position:
			next.store, position, found = store, at, true
			next.slot = (slot + 1) % markSlots
		}
	}
	if !found {
		return 0, next, wrong
	}
	return position, next, nil
}

// write moves the mark.
func (m *mark) write(position uint64) error {
	if _, err := m.file.WriteAt(encodeMark(m.store, position), m.slot*sectorLen); err != nil {
		return fmt.Errorf("write durable mark: %w", err)
	}
	m.slot = (m.slot + 1) % markSlots
	return nil
}

// damagedBy converts an error about a file's header into one that names the file.
func damagedBy(path string, offset uint64, err error) error {
	var version *VersionError
	if errors.As(err, &version) {
		return &VersionError{File: path, Found: version.Found}
	}
	return &DamageError{File: path, Offset: offset, Reason: err.Error()}
}
