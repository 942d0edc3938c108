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
	s.work.Go(s.watch)
	s.work.Go(s.check)
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
	if err := s.openFolder(!s.options.Existing); err != nil {
		return err
	}
	// Foreign folders are refused before anything is put into them.
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

// openFolder opens the folder, or makes it if it may.
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

// lockAll takes both locks of the writer, and returns what is in the folder then.
//
// The lock file alone would not do: whoever removes it makes room for a second
// writer, who would lock a new file of that name. The durable mark cannot be
// missing from a store, so it is locked too, and first: somebody who is refused
// leaves no lock file behind.
func (s *Store) lockAll() (survey, error) {
	if err := s.lockMark(); err != nil {
		return survey{}, err
	}
	lock, err := s.folder.Lock(lockName, Create)
	if err != nil {
		return survey{}, err
	}
	s.lock = lock
	found, err := s.survey() // again: what was there may have been a writer's first moments
	if err != nil {
		return survey{}, err
	}
	if found.mark && s.mark == nil { // made by that writer
		return found, s.lockMark()
	}
	return found, nil
}

// lockMark opens the durable mark for writing, and locks it, if there is one.
func (s *Store) lockMark() error {
	file, err := s.folder.Lock(markName, Write)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a new store, or one that is damaged: openFiles says which
	case err != nil:
		return err
	}
	s.mark = &mark{file: file, path: filepath.Join(s.dir, markName)}
	return nil
}

// probe keeps writers out until it is closed, or answers with a *LockedError. A
// copy of a store may be without a lock file: it never had a writer.
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
	held, err := probe(s.folder)
	var locked *LockedError
	switch {
	case errors.As(err, &locked):
		return s.follow() // what is behind the mark is that writer's business
	case err != nil:
		return err
	}
	// While the probe is held no writer can start, so what is in the files now
	// was left there by one that is gone. It is little, and held shortly.
	return errors.Join(s.showRest(), held.Close())
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

// beside are the names that may stand in a folder before it becomes a store: what
// a server keeps there besides its events, and what a file system does.
var beside = map[string]bool{
	lockName: true, "lost+found": true,
	"server.lock": true, "stop.sock": true, "emergency-stop.json": true, "snapshots": true, "tls": true,
}

// survey lists the folder and refuses one that is not and cannot become a store.
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

// createMark makes the mark, locked from the first moment that it has its name.
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
		err = s.mark.file.Close() // of an attempt that ended before the first segment
	}
	s.mark = &mark{file: file, path: filepath.Join(s.dir, markName)}
	return errors.Join(err, giveName(s.folder, markName))
}

// unfinished refuses a mark that was ever moved: its segments are missing.
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

// openSegments opens the segments that are not open yet. Nobody else has the
// index at this time.
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

// makeDir opens a folder. If it is missing, it is made, and those above it, and
// the name of each is flushed.
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
