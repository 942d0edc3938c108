package embedded

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// sourceFile is a segment of a folder to be salvaged.
type sourceFile struct {
	path  string
	base  uint64
	named bool // by its base
	size  uint64
	// head is the content of its header, if that can be read; wrong says why it
	// cannot.
	head  segmentHeader
	wrong error
}

// keepWritersOut takes the locks for reading, so that nothing changes meanwhile.
// If a writer holds them, the log up to its mark does not change.
func (s *salvage) keepWritersOut() (probes, error) {
	held, err := probe(s.source)
	var locked *LockedError
	if !errors.As(err, &locked) {
		return held, err
	}
	position, _, err := s.readMark()
	if err != nil {
		return nil, errors.Join(locked, err)
	}
	s.limit = position
	return nil, nil
}

func (s *salvage) readMark() (uint64, uuid.UUID, error) {
	m, err := openMark(s.source, s.dir)
	if err != nil {
		return 0, uuid.Nil, err
	}
	defer func() { _ = m.file.Close() }() // opened for reading only
	position, err := m.read()
	return position, m.store, err
}

// sources returns the segments of the store in order, and reports problems with
// the mark, the names and the headers.
func (s *salvage) sources() ([]sourceFile, error) {
	names, err := s.source.ReadDir()
	if err != nil {
		return nil, fmt.Errorf("list folder: %w", err)
	}
	if slices.Contains(names, unfinishedName) {
		return nil, &UnfinishedError{s.dir}
	}
	var files []sourceFile
	for _, name := range names {
		if strings.HasSuffix(name, segmentSuffix) {
			files = append(files, s.look(name))
		}
	}
	if len(files) == 0 {
		return nil, &NotStoreError{Dir: s.dir, Reason: "it has no segment"}
	}
	store, err := s.identity(files)
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(f sourceFile) bool { return !s.belongs(&f, store) })
	slices.SortStableFunc(files, func(a, b sourceFile) int {
		switch {
		case a.base < b.base || a.base == b.base && a.named && !b.named:
			return -1
		case a.base == b.base && a.named == b.named:
			return 0
		}
		return 1
	})
	return slices.CompactFunc(files, func(twin, kept sourceFile) bool {
		if kept.base == twin.base {
			s.place(Place{File: twin.path, Bytes: twin.size, Reason: fmt.Sprintf("not read: %s holds the same part of the log", filepath.Base(kept.path))})
		}
		return kept.base == twin.base
	}), nil
}

// look reads the header of a segment. The position in the header takes precedence
// over the name, because the header has a checksum.
func (s *salvage) look(name string) sourceFile {
	f := sourceFile{path: filepath.Join(s.dir, name)}
	f.base, f.named = segmentBase(name)
	file, err := s.source.Open(filepath.Base(f.path), Read)
	if err != nil {
		f.wrong = err
		return f
	}
	defer func() { _ = file.Close() }() // opened for reading only
	if f.size, f.wrong = sizeOf(file); f.wrong != nil {
		return f
	}
	b := make([]byte, segmentHeaderLen)
	if _, f.wrong = file.ReadAt(b, 0); f.wrong != nil {
		return f
	}
	if f.head, f.wrong = decodeSegmentHeader(b); f.wrong == nil {
		f.named = f.named && f.base == f.head.base
		f.base = f.head.base
	}
	return f
}

// identity determines the store: the one that the mark names, or else the one
// that most segments belong to.
func (s *salvage) identity(files []sourceFile) (uuid.UUID, error) {
	votes := map[uuid.UUID]int{}
	for i := range files {
		var version *VersionError
		if errors.As(files[i].wrong, &version) {
			return uuid.Nil, &VersionError{File: files[i].path, Found: version.Found}
		}
		if files[i].wrong == nil {
			votes[files[i].head.store]++
		}
	}
	position, store, err := s.readMark()
	var version *VersionError
	var damage *DamageError
	switch {
	case err == nil:
		s.mark = min(position, s.limit) // an active writer may have moved it
		return store, nil
	case errors.As(err, &version):
		return uuid.Nil, err
	case errors.As(err, &damage):
		s.place(Place{File: damage.File, Offset: damage.Offset, Bytes: markLen, Reason: damage.Reason})
	default:
		s.place(Place{File: filepath.Join(s.dir, markName), Reason: "the durable mark cannot be read: " + err.Error()})
	}
	most := 0
	for id, n := range votes {
		if n > most || n == most && id.String() < store.String() {
			store, most = id, n
		}
	}
	return store, nil
}

// belongs decides whether a segment is read, and reports problems with its header
// and its name.
func (s *salvage) belongs(f *sourceFile, store uuid.UUID) bool {
	switch _, fromName := segmentBase(filepath.Base(f.path)); {
	case f.wrong == nil && f.head.store != store:
		s.place(Place{File: f.path, Bytes: f.size, Reason: fmt.Sprintf("not read: it belongs to store %s, not %s", f.head.store, store)})
		return false
	case f.wrong == nil && !f.named:
		s.place(Place{File: f.path, Reason: fmt.Sprintf("the name is wrong: by its header it begins at position %d, and was read as such", f.head.base)})
	case f.wrong != nil && (!fromName || f.base%alignment != 0):
		s.place(Place{File: f.path, Bytes: f.size, Reason: "not read: neither its header nor its name gives its position: " + f.wrong.Error()})
		return false
	case f.wrong != nil:
		s.place(Place{File: f.path, Bytes: min(f.size, segmentHeaderLen), Reason: "segment header: " + f.wrong.Error()})
	}
	s.total += int64(f.size) //nolint:gosec // far below 2^63
	return true
}

// segment reads one segment, passes on its intact frames, and reports the rest.
func (s *salvage) segment(ctx context.Context, f *sourceFile, next uint64) error {
	if f.base >= s.limit {
		return nil // begun by an active writer
	}
	if f.base > s.covered {
		s.place(Place{File: f.path, Bytes: f.base - s.covered, Reason: fmt.Sprintf("positions %d to %d of the log, before this segment, are in no file: a segment is missing, or the one before was cut", s.covered, f.base)})
	}
	s.covered = max(s.covered, f.base+segmentHeaderLen)
	b, holes, err := s.readAll(f)
	if err != nil {
		s.place(Place{File: f.path, Bytes: f.size, Reason: "cannot be read: " + err.Error()})
		s.covered = max(s.covered, f.base+f.size)
		return nil
	}
	scan := &scan{salvage: s, file: f, b: b, holes: holes, next: next, last: next == ^uint64(0)}
	for at := uint64(segmentHeaderLen); at < uint64(len(b)); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if at, err = scan.step(at); err != nil {
			return err
		}
		s.tell(f, at)
	}
	s.done += int64(f.size) //nolint:gosec // far below 2^63
	return nil
}

func (s *salvage) tell(f *sourceFile, at uint64) {
	if s.options.Progress != nil {
		s.options.Progress(s.done+int64(min(at, f.size)), s.total) //nolint:gosec // far below 2^63
	}
}

// checkEnd reports what lies before the mark but is in no file.
func (s *salvage) checkEnd(files []sourceFile) {
	if s.covered >= s.mark {
		return
	}
	file, offset := filepath.Join(s.dir, segmentName(0)), uint64(0)
	if len(files) > 0 {
		file, offset = files[len(files)-1].path, s.covered-files[len(files)-1].base
	}
	s.place(Place{File: file, Offset: offset, Bytes: s.mark - s.covered, Reason: fmt.Sprintf("the log ends here, but the durable mark is at %d", s.mark)})
}

// unreadable is a part of a file, by offsets, that the disk cannot read.
type unreadable struct {
	from, to uint64
	err      error
}

// readAll returns a file up to the limit, with zeros where the disk cannot be
// read. Around a bad sector it retries smaller and smaller pieces.
func (s *salvage) readAll(f *sourceFile) ([]byte, []unreadable, error) {
	file, err := s.source.Open(filepath.Base(f.path), Read)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	size, err := sizeOf(file)
	if err != nil {
		return nil, nil, err
	}
	b := make([]byte, min(size, s.limit-f.base))
	var holes []unreadable
	for from := 0; from < len(b); from += maxWindow {
		holes = readPiece(file, b, from, min(from+maxWindow, len(b)), holes)
	}
	return b, holes, nil
}

func readPiece(file File, b []byte, from, to int, holes []unreadable) []unreadable {
	_, err := file.ReadAt(b[from:to], int64(from))
	if err == nil {
		return holes
	}
	if middle := (from + (to-from)/2) / sectorLen * sectorLen; to-from > sectorLen && middle > from {
		return readPiece(file, b, middle, to, readPiece(file, b, from, middle, holes))
	}
	clear(b[from:to])
	return append(holes, unreadable{uint64(from), uint64(to), err}) //nolint:gosec // offsets in a file
}
