package embedded

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// firstSegmentBytes is the size of the first segment; each further one has
	// twice that of the one before it, up to Options.SegmentBytes. So a store of a
	// few events takes a megabyte or two, and a long log has few segments.
	firstSegmentBytes = 1 << 20
	// fillStep is how much of a spare is written before each flush: little enough
	// that a flush of the log beside it does not have to wait long.
	fillStep = 1 << 20

	spareName = "spare" + tmpSuffix
)

// filler makes the segment that comes next, full of zeros, while the current one
// is written to. A flush inside a file whose blocks exist already changes data
// only; on a file that grows it changes its size and its block map too, and has
// to wait for the journal of the file system.
//
// It is no part of the log and of no promise: it writes only to a file that is
// not in the log yet, nobody ever waits for it, and while the spare is not
// finished the current segment just grows. After an error it does nothing any
// more, and gives the space back.
type filler struct {
	store  *Store
	wanted chan uint64 // the size of the next spare
	work   sync.WaitGroup

	mu     sync.Mutex
	state  fillerState
	ready  *spare
	scarce time.Time // when there was no room for a spare
}

// scarceAge is how long a disk without room for a spare is not asked again.
const scarceAge = 10 * time.Second

// fillerState keeps one spare from being made over another: the file that has
// the name may be one that the committer is about to take, or has just taken.
type fillerState int

const (
	idle    fillerState = iota // no spare
	filling                    // the filler has it
	filled                     // ready has it
	adopted                    // the committer has it, still under the name of a spare
)

// spare is a file of zeros with no name of its own in the log.
type spare struct {
	file File
	size uint64
}

func startFiller(s *Store) *filler {
	f := &filler{store: s, wanted: make(chan uint64, 1)}
	f.work.Go(f.run)
	return f
}

func (f *filler) run() {
	for size := range f.wanted {
		file, err := f.fill(size)
		if errors.Is(err, errScarce) {
			f.giveBack(file)
			f.mu.Lock()
			f.scarce, f.state = time.Now(), idle
			f.mu.Unlock()
			continue
		}
		if err != nil { // and stays filling: nothing is tried again
			f.giveBack(file)
			continue
		}
		f.mu.Lock()
		f.ready, f.state = &spare{file: file, size: size}, filled
		f.mu.Unlock()
	}
}

// want asks for a spare, unless there is one. It never waits.
func (f *filler) want(size uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == idle && time.Since(f.scarce) >= scarceAge {
		f.state = filling
		f.wanted <- size // has room: it was empty, or the state another
	}
}

func (f *filler) hasReady() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state == filled
}

// take hands over the spare if it is finished, and else nil. Whoever has it must
// say when its name is free again.
func (f *filler) take() *spare {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != filled {
		return nil
	}
	f.state = adopted
	return f.ready
}

func (f *filler) renamed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state, f.ready = idle, nil
}

// fill makes a file of zeros, step by step. The file is returned with an error
// too.
func (f *filler) fill(size uint64) (File, error) {
	if !f.store.roomFor(size) {
		return nil, errScarce
	}
	file, err := f.store.folder.Open(spareName, Create)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, min(size, fillStep))
	for at := uint64(0); at < size; at += uint64(len(zeros)) {
		if f.over() {
			return file, errNotWanted
		}
		if !f.store.roomFor(size - at) {
			return file, errScarce
		}
		if _, err := file.WriteAt(zeros[:min(size-at, uint64(len(zeros)))], int64(at)); err != nil {
			return file, err
		}
		if err := file.Datasync(); err != nil {
			return file, err
		}
	}
	return file, nil
}

var (
	errNotWanted = errors.New("the store is closed or poisoned")
	errScarce    = errors.New("the disk has no room for what is only a convenience")
)

func (f *filler) over() bool {
	select {
	case <-f.store.closed:
		return true
	default:
		return f.store.poisoned.Load() != nil
	}
}

// giveBack returns the space of a spare that is not used. What is left of it is
// an empty file, which is never read.
func (f *filler) giveBack(file File) {
	if file != nil {
		_ = file.Truncate(0) // it holds nothing, and nobody relies on its end
		_ = file.Close()
	}
}

// stop ends the filler. The committer, which alone asks it for anything, has
// ended before.
func (f *filler) stop() {
	close(f.wanted)
	f.work.Wait()
	if s := f.take(); s != nil {
		f.giveBack(s.file)
	}
}

// nextSize is the size of the segment that follows one of this size.
func nextSize(size, most uint64) uint64 {
	return min(max(2*size, firstSegmentBytes), most)
}

// adopt makes the spare the segment that begins at base. As with createSegment,
// it gets its name only when its header is safe.
func (s *spare) adopt(folder Dir, dir string, store uuid.UUID, base uint64) (segment, error) {
	seg := newSegment(dir, base)
	seg.file = s.file
	err := func() error {
		if _, err := s.file.WriteAt(segmentHeader{store: store, base: base}.encode(time.Now()), 0); err != nil {
			return err
		}
		if err := s.file.Sync(); err != nil {
			return err
		}
		if err := folder.Rename(spareName, segmentName(base)); err != nil {
			return err
		}
		return folder.SyncDir()
	}()
	if err != nil {
		return segment{}, errors.Join(fmt.Errorf("create segment: %w", err), s.file.Close())
	}
	return seg, nil
}
