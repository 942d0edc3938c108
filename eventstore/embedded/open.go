package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// Open opens the store in a folder for reading and writing, and creates it if the
// folder is empty or missing. There can be one writer; a second one gets a
// *[LockedError]. Other errors are a *[DamageError], a *[NotStoreError] or a
// *[VersionError].
func Open(dir string, options Options) (*Store, error) {
	s := newStore(dir, options)
	if err := s.openWriter(); err != nil {
		return nil, errors.Join(fmt.Errorf("open event store: %w", err), s.release())
	}
	if err := s.startCommitter(); err != nil {
		return nil, errors.Join(fmt.Errorf("open event store: %w", err), s.release())
	}
	s.work.Go(s.watch)
	s.work.Go(s.check)
	return s, nil
}

// OpenReadOnly opens the store in a folder for reading, with or without a writer
// beside it. It changes nothing in the folder. Beside a writer it shows what the
// writer has made durable; without one, every complete frame.
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
	if err := s.openFolder(!s.options.Existing); err != nil {
		return err
	}
	// Refuse a folder that is not a store before anything is put into it.
	found, err := s.survey()
	if err != nil {
		return err
	}
	if s.options.Existing && !found.store() {
		return &NotStoreError{Dir: s.dir, Reason: "it has no segment"}
	}
	if found, err = s.lockAll(); err != nil {
		return err
	}
	if s.options.salvaging {
		if err := markUnfinished(s.folder); err != nil {
			return err
		}
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
	if err := s.stillThere(); err != nil { // before anything is changed
		return err
	}
	return s.recover()
}

// openFolder opens the folder, or creates it if that is allowed.
func (s *Store) openFolder(make bool) (err error) {
	if make {
		s.folder, err = makeDir(s.options.FS, s.dir)
		return err
	}
	s.folder, err = s.options.FS.OpenDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &NotStoreError{Dir: s.dir, Reason: "the folder does not exist"}
	}
	return err
}

// lockAll takes both locks of the writer, and returns the content of the folder
// after that.
//
// The lock file alone is not enough: if a person removes it, a second writer
// could lock a new file of that name. A store always has a durable mark, so that
// is locked too. It is locked first, so that a refused writer leaves no lock file
// behind.
func (s *Store) lockAll() (survey, error) {
	if err := s.lockMark(); err != nil {
		return survey{}, err
	}
	lock, err := s.folder.Lock(lockName, Create)
	if err != nil {
		return survey{}, err
	}
	s.lock = lock
	found, err := s.survey() // again: the first look may have seen a writer that was just starting
	if err != nil {
		return survey{}, err
	}
	if found.mark && s.mark == nil { // created by that writer
		return found, s.lockMark()
	}
	return found, nil
}

// lockMark opens and locks the durable mark for writing, if there is one.
func (s *Store) lockMark() error {
	file, err := s.folder.Lock(markName, Write)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a new store, or a damaged one: openFiles decides
	case err != nil:
		return err
	}
	s.mark = &mark{file: file, path: filepath.Join(s.dir, markName)}
	return nil
}

// probe keeps writers out until it is closed, or returns a *LockedError. A copied
// store may have no lock file, because it never had a writer.
func probe(folder Dir) (probes, error) {
	var held probes
	for _, name := range []string{markName, lockName} {
		file, err := folder.Lock(name, Read)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, errors.Join(err, held.Close())
		default:
			held = append(held, file)
		}
	}
	return held, nil
}

type probes []File

func (p probes) Close() error {
	var failed error
	for _, file := range p {
		failed = errors.Join(failed, file.Close())
	}
	return failed
}

func (s *Store) openReader() error {
	if err := s.openFolder(false); err != nil {
		return err
	}
	found, err := s.survey()
	if err != nil {
		return err
	}
	if !found.store() {
		return &NotStoreError{Dir: s.dir, Reason: "it has no segment"}
	}
	if err := s.openFiles(found, Read); err != nil {
		return err
	}
	return s.load(s.readLog)
}

// readLog reads what a reader may show.
func (s *Store) readLog() error {
	// A segment is begun only when the one before it is durable and complete.
	if err := s.loadSealed(); err != nil {
		return err
	}
	if err := s.loadFinished(); err != nil {
		return err
	}
	// Up to the mark everything is durable and complete, with or without a
	// writer.
	if err := s.follow(); err != nil {
		return err
	}
	held, err := probe(s.folder)
	var locked *LockedError
	switch {
	case errors.As(err, &locked):
		return s.follow() // what is behind the mark belongs to that writer
	case err != nil:
		return err
	}
	// While the probe is held no writer can start, so the files hold only what an
	// earlier writer left. That is little, so the probe is held only briefly.
	return errors.Join(s.showRest(), held.Close())
}

// showRest adds what is behind the mark if there is no writer. Every complete
// frame can be made durable by a flush, which works on a file that is open for
// reading.
func (s *Store) showRest() error {
	found, err := s.survey() // the writer may have ended since the first look
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

// survey is the content of a folder, by its names.
type survey struct {
	bases []uint64 // of its segments, rising
	mark  bool
}

func (f survey) store() bool { return len(f.bases) > 0 }

// beside lists the names that a folder may hold before it becomes a store: files
// that a server keeps beside its events, and those of file systems.
var beside = map[string]bool{
	lockName: true, "lost+found": true,
	"server.lock": true, "stop.sock": true, "emergency-stop.json": true, "snapshots": true, "tls": true, "finality": true,
}

// survey lists the folder and refuses one that is not a store and cannot become
// one.
func (s *Store) survey() (survey, error) {
	var found survey
	names, err := s.folder.ReadDir()
	if err != nil {
		return found, fmt.Errorf("list folder: %w", err)
	}
	var foreign []string
	for _, name := range names {
		base, isSegment := segmentBase(name)
		switch {
		case name == unfinishedName && !s.options.salvaging:
			return found, &UnfinishedError{s.dir}
		case name == unfinishedName:
		case isSegment:
			found.bases = append(found.bases, base)
		case name == markName:
			found.mark = true
		case strings.HasSuffix(name, segmentSuffix):
			return found, &DamageError{File: filepath.Join(s.dir, name), Reason: "this is not the name of a segment"}
		case beside[name], strings.HasSuffix(name, tmpSuffix), strings.HasSuffix(name, sealedSuffix):
		default:
			foreign = append(foreign, name)
		}
	}
	if !found.store() && len(foreign) > 0 {
		return found, &NotStoreError{Dir: s.dir, Reason: fmt.Sprintf("it has no segment, but holds %s (and %d other foreign files)", foreign[0], len(foreign)-1)}
	}
	return found, nil
}

// create makes an empty store. The mark is created first and the first segment
// last: a folder with a segment is a complete store, and one without has never
// held a record.
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
	if err := s.createMark(id); err != nil {
		return fmt.Errorf("create durable mark: %w", err)
	}
	size := uint64(segmentHeaderLen)
	if !s.options.NoFill {
		size = min(firstSegmentBytes, s.options.SegmentBytes)
	}
	seg, err := createSegment(s.folder, s.dir, id, 0, size)
	if err != nil {
		return err
	}
	return seg.file.Close()
}

// createMark creates the mark, which is locked from the moment it has its name.
func (s *Store) createMark(id uuid.UUID) error {
	file, err := writeTmp(s.folder, markName, newMark(id))
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if file, err = s.folder.Lock(markName+tmpSuffix, Write); err != nil {
		return err
	}
	if s.mark != nil {
		err = s.mark.file.Close() // left by an attempt that ended before the first segment
	}
	s.mark = &mark{file: file, path: filepath.Join(s.dir, markName)}
	return errors.Join(err, giveName(s.folder, markName))
}

// unfinished refuses a mark that was ever moved, because then segments are
// missing.
func (s *Store) unfinished() error {
	position, err := s.mark.read()
	if err == nil && position > 0 {
		err = &DamageError{File: filepath.Join(s.dir, segmentName(0)), Reason: fmt.Sprintf("all segments are missing; the durable mark is at %d", position)}
	}
	return err
}

// openFiles opens the mark, which names the store, and all segments.
func (s *Store) openFiles(found survey, mode Mode) error {
	if !found.mark {
		return &DamageError{File: filepath.Join(s.dir, markName), Reason: "the durable mark is missing"}
	}
	if s.mark == nil { // a reader's; that of a writer is open and locked
		m, err := openMark(s.folder, s.dir)
		if err != nil {
			return err
		}
		s.mark = m
	}
	if _, err := s.mark.read(); err != nil {
		return err
	}
	s.uuid = s.mark.store
	if found.bases[0] != 0 {
		return &DamageError{File: filepath.Join(s.dir, segmentName(0)), Reason: "the first segment is missing"}
	}
	if err := s.openSegments(found, mode); err != nil {
		return err
	}
	s.index.end = s.index.segs[0].firstFrame()
	return nil
}

// openSegments opens the segments that are not open yet. No other goroutine uses
// the index at this time.
func (s *Store) openSegments(found survey, mode Mode) error {
	for _, base := range found.bases {
		if n := len(s.index.segs); n > 0 && base <= s.index.segs[n-1].base {
			continue
		}
		seg, err := openSegment(s.folder, s.dir, base, s.uuid, mode)
		if err != nil {
			return err
		}
		s.index.segs = append(s.index.segs, seg)
	}
	return nil
}

func (s *Store) lastSegment() *segment { return &s.index.segs[len(s.index.segs)-1] }

// makeDir opens a folder. If it is missing, it creates it and its parents, and
// flushes the name of each.
func makeDir(fsys FS, dir string) (Dir, error) {
	folder, err := fsys.OpenDir(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return folder, err
	}
	parent, err := makeDir(fsys, filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer func() { _ = parent.Close() }() // nothing was written through it
	if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if err := parent.SyncDir(); err != nil {
		return nil, fmt.Errorf("flush folder: %w", err)
	}
	return fsys.OpenDir(dir)
}
