package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// Open opens the store in a folder for reading and writing, and makes it if the
// folder is empty or missing. There can be one writer: another gets a
// *[LockedError]. What else can be wrong is a *[DamageError], a *[NotStoreError]
// or a *[VersionError].
func Open(dir string, options Options) (*Store, error) {
	s := newStore(dir, options)
	if err := s.openWriter(); err != nil {
		return nil, errors.Join(fmt.Errorf("open event store: %w", err), s.release())
	}
	if err := s.startCommitter(); err != nil {
		return nil, errors.Join(fmt.Errorf("open event store: %w", err), s.release())
	}
	return s, nil
}

// OpenReadOnly opens the store in a folder for reading, beside a writer or not.
// It changes nothing in the folder. Beside a writer it shows what the writer has
// made durable; without one, every whole frame.
func OpenReadOnly(dir string, options Options) (*Store, error) {
	s := newStore(dir, options)
	s.readOnly = true
	if err := s.openReader(); err != nil {
		return nil, errors.Join(fmt.Errorf("open event store read-only: %w", err), s.release())
	}
	return s, nil
}

func newStore(dir string, options Options) *Store {
	return &Store{
		dir:     filepath.Clean(dir),
		options: options.withDefaults(),
		index:   newIndex(),
		closed:  make(chan struct{}),
	}
}

func (s *Store) openWriter() error {
	fsys := s.options.FS
	if err := makeDir(fsys, s.dir); err != nil {
		return err
	}
	// Foreign folders are refused before anything is put into them.
	if _, err := s.survey(); err != nil {
		return err
	}
	lock, err := fsys.Lock(filepath.Join(s.dir, lockName), true)
	if err != nil {
		return err
	}
	s.lock = lock
	found, err := s.survey() // again: what was there may have been a writer's first moments
	if err != nil {
		return err
	}
	if !found.store() {
		if err := s.create(found); err != nil {
			return err
		}
		found.bases, found.mark = []uint64{0}, true
	}
	if err := s.openFiles(found, Write); err != nil {
		return err
	}
	return s.recover()
}

func (s *Store) openReader() error {
	found, err := s.survey()
	if errors.Is(err, fs.ErrNotExist) {
		return &NotStoreError{Dir: s.dir, Reason: "the folder does not exist"}
	}
	if err != nil {
		return err
	}
	if !found.store() {
		return &NotStoreError{Dir: s.dir, Reason: "it has no segment"}
	}
	if err := s.openFiles(found, Read); err != nil {
		return err
	}
	// A segment is begun when the one before it is durable and whole.
	if err := s.loadSealed(); err != nil {
		return err
	}
	if err := s.loadFinished(); err != nil {
		return err
	}
	// Up to the mark all is durable and whole, writer or not.
	if err := s.follow(); err != nil {
		return err
	}
	probe, err := s.options.FS.Lock(filepath.Join(s.dir, lockName), false)
	var locked *LockedError
	switch {
	case errors.As(err, &locked):
		return s.follow() // what is behind the mark is that writer's business
	case errors.Is(err, fs.ErrNotExist): // a copy of a store: it has no writer, and never had
		return s.showRest()
	case err != nil:
		return err
	}
	// While the probe is held no writer can start, so what is in the files now
	// was left there by one that is gone. It is little, and held shortly.
	return errors.Join(s.showRest(), probe.Close())
}

// showRest adds what stands behind the mark when there is no writer: whatever
// is whole can be made durable by flushing it, which works on a file that is
// open for reading.
func (s *Store) showRest() error {
	found, err := s.survey() // the last writer may have ended since the first look
	if err != nil {
		return err
	}
	if err := s.openSegments(found, Read); err != nil {
		return err
	}
	if err := s.lastSegment().file.Datasync(); err != nil && !cannotFlush(err) {
		return fmt.Errorf("flush the last segment: %w", err)
	}
	position, err := s.mark.read()
	if err != nil {
		return err
	}
	s.torn.Bytes, err = s.loadRest()
	if err != nil {
		return err
	}
	return s.checkMark(position)
}

// survey is what a folder holds, by its names.
type survey struct {
	bases []uint64 // of its segments, rising
	mark  bool
}

func (f survey) store() bool { return len(f.bases) > 0 }

// survey lists the folder and refuses one that is not and cannot become a store.
func (s *Store) survey() (survey, error) {
	var found survey
	names, err := s.options.FS.ReadDir(s.dir)
	if err != nil {
		return found, fmt.Errorf("list folder: %w", err)
	}
	var foreign []string
	for _, name := range names {
		base, isSegment := segmentBase(name)
		switch {
		case isSegment:
			found.bases = append(found.bases, base)
		case name == markName:
			found.mark = true
		case strings.HasSuffix(name, segmentSuffix):
			return found, &DamageError{File: filepath.Join(s.dir, name), Reason: "this is not the name of a segment"}
		case name == lockName, name == "lost+found", strings.HasSuffix(name, tmpSuffix), strings.HasSuffix(name, sealedSuffix):
		default:
			foreign = append(foreign, name)
		}
	}
	if !found.store() && len(foreign) > 0 {
		return found, &NotStoreError{Dir: s.dir, Reason: fmt.Sprintf("it has no segment, but holds %s (and %d other foreign files)", foreign[0], len(foreign)-1)}
	}
	return found, nil
}

// create makes an empty store. The mark comes first and the first segment last:
// a folder with a segment is a whole store, one without has never held a record.
func (s *Store) create(found survey) error {
	if found.mark {
		if err := s.unfinished(); err != nil {
			return err
		}
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("draw a store uuid: %w", err)
	}
	file, err := createFile(s.options.FS, filepath.Join(s.dir, markName), newMark(id))
	if err != nil {
		return fmt.Errorf("create durable mark: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("create durable mark: %w", err)
	}
	size := uint64(segmentHeaderLen)
	if !s.options.NoFill {
		size = min(firstSegmentBytes, s.options.SegmentBytes)
	}
	seg, err := createSegment(s.options.FS, s.dir, id, 0, size)
	if err != nil {
		return err
	}
	return seg.file.Close()
}

// unfinished refuses a mark that was ever moved: its segments are missing.
func (s *Store) unfinished() error {
	m, err := openMark(s.options.FS, s.dir, Read)
	if err != nil {
		return err
	}
	position, err := m.read()
	if err == nil && position > 0 {
		err = &DamageError{File: filepath.Join(s.dir, segmentName(0)), Reason: fmt.Sprintf("all segments are missing; the durable mark is at %d", position)}
	}
	return errors.Join(err, m.file.Close())
}

// openFiles opens the mark, which names the store, and all segments.
func (s *Store) openFiles(found survey, mode Mode) error {
	if !found.mark {
		return &DamageError{File: filepath.Join(s.dir, markName), Reason: "the durable mark is missing"}
	}
	m, err := openMark(s.options.FS, s.dir, mode)
	if err != nil {
		return err
	}
	s.mark = m
	if _, err := m.read(); err != nil {
		return err
	}
	s.uuid = m.store
	if found.bases[0] != 0 {
		return &DamageError{File: filepath.Join(s.dir, segmentName(0)), Reason: "the first segment is missing"}
	}
	if err := s.openSegments(found, mode); err != nil {
		return err
	}
	s.index.end = s.index.segs[0].firstFrame()
	return nil
}

// openSegments opens the segments that are not open yet. Nobody else has the
// index at this time.
func (s *Store) openSegments(found survey, mode Mode) error {
	for _, base := range found.bases {
		if n := len(s.index.segs); n > 0 && base <= s.index.segs[n-1].base {
			continue
		}
		seg, err := openSegment(s.options.FS, s.dir, base, s.uuid, mode)
		if err != nil {
			return err
		}
		s.index.segs = append(s.index.segs, seg)
	}
	return nil
}

func (s *Store) lastSegment() *segment { return &s.index.segs[len(s.index.segs)-1] }

// makeDir makes a folder and those above it, and flushes the name of each.
func makeDir(fsys FS, dir string) error {
	if _, err := fsys.ReadDir(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDir(fsys, parent); err != nil {
		return err
	}
	if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := fsys.SyncDir(parent); err != nil {
		return fmt.Errorf("flush folder: %w", err)
	}
	return nil
}
