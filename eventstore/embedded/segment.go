package embedded

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	lockName      = "LOCK"
	markName      = "durable"
	segmentSuffix = ".seg"
	tornPrefix    = "torn-"
	refusedPrefix = "refused-"
	tmpSuffix     = ".tmp"
)

// segment is one open file of the log.
type segment struct {
	base uint64 // position of its first byte
	path string
	file File
	mem  *mapping // used once others follow it
}

func (s *segment) firstFrame() uint64 { return s.base + segmentHeaderLen }

// damage returns the error for something wrong at a position of the segment.
func (s *segment) damage(position uint64, reason string) *DamageError {
	return &DamageError{File: s.path, Offset: position - s.base, Reason: reason}
}

// segments are ordered and never changed in place: a slice of them stays readable
// while others are added.
type segments []segment

// at returns the index of the segment that holds a position.
func (ss segments) at(position uint64) int {
	return sort.Search(len(ss), func(i int) bool { return ss[i].base > position }) - 1
}

func (ss segments) close() error {
	var failed error
	for i := range ss {
		failed = errors.Join(failed, ss[i].mem.close(), ss[i].file.Close())
	}
	return failed
}

func newSegment(dir string, base uint64) segment {
	return segment{base: base, path: filepath.Join(dir, segmentName(base)), mem: &mapping{}}
}

func segmentName(base uint64) string { return fmt.Sprintf("%020d%s", base, segmentSuffix) }

// segmentBase returns the position in a segment's name.
func segmentBase(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, false
	}
	base, err := strconv.ParseUint(digits, 10, 64)
	return base, err == nil && segmentName(base) == name
}

// createSegment creates the segment that begins at base, with a header and zeros
// up to size. It gets its name only once its header is durable, so a file of that
// name always has a complete header. A crash before the rename leaves a .tmp file
// that the next attempt replaces. The folder is flushed before the segment is
// returned, so an acknowledged frame cannot vanish with its file.
func createSegment(folder Dir, dir string, store uuid.UUID, base, size uint64) (segment, error) {
	s := newSegment(dir, base)
	header := segmentHeader{store: store, base: base}.encode(time.Now())
	if more := int(size) - len(header); more > 0 { //nolint:gosec // a megabyte at most
		header = append(header, make([]byte, more)...)
	}
	file, err := createFile(folder, segmentName(base), header)
	if err != nil {
		return segment{}, fmt.Errorf("create segment: %w", err)
	}
	s.file = file
	return s, nil
}

// createFile creates a file that is either complete or missing, even after a
// power cut, and leaves it open.
func createFile(folder Dir, name string, content []byte) (File, error) {
	file, err := writeTmp(folder, name, content)
	if err != nil {
		return nil, err
	}
	if err := giveName(folder, name); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// writeTmp makes the content of a file durable under its temporary name.
func writeTmp(folder Dir, name string, content []byte) (File, error) {
	file, err := folder.Open(name+tmpSuffix, Create)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteAt(content, 0)
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// giveName renames a durable file, and makes the name durable too.
func giveName(folder Dir, name string) error {
	if err := folder.Rename(name+tmpSuffix, name); err != nil {
		return err
	}
	return folder.SyncDir()
}

// openSegment opens a segment and checks that its header matches its name and the
// store.
func openSegment(folder Dir, dir string, base uint64, store uuid.UUID, mode Mode) (segment, error) {
	s := newSegment(dir, base)
	file, err := folder.Open(segmentName(base), mode)
	if err != nil {
		return segment{}, fmt.Errorf("open segment: %w", err)
	}
	s.file = file
	if err := s.checkHeader(store); err != nil {
		return segment{}, errors.Join(err, file.Close())
	}
	return s, nil
}

func (s *segment) checkHeader(store uuid.UUID) error {
	b := make([]byte, segmentHeaderLen)
	if _, err := s.file.ReadAt(b, 0); errors.Is(err, io.EOF) {
		return s.damage(s.base, "the segment header is cut short")
	} else if err != nil {
		return fmt.Errorf("read segment header: %w", err)
	}
	h, err := decodeSegmentHeader(b)
	switch {
	case err != nil:
		return damagedBy(s.path, 0, err)
	case h.store != store:
		return s.damage(s.base, fmt.Sprintf("the segment belongs to store %s, not %s", h.store, store))
	case h.base != s.base:
		return s.damage(s.base, fmt.Sprintf("the segment header gives position %d", h.base))
	}
	return nil
}
