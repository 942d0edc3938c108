package embedded

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// firstSegmentBytes is the size of the first segment. Each further one is
	// twice the size of the one before, up to Options.SegmentBytes. So a store of
	// a few events takes a megabyte or two, and a long log has few segments.
	firstSegmentBytes = 1 << 20
	// fillStep is how much of a spare is written before each flush: little enough
	// to delay a concurrent flush of the log only briefly.
	fillStep = 1 << 20

	spareName = "spare" + tmpSuffix
)

// filler creates the next segment, full of zeros, while the current one is
// written to. A flush inside allocated blocks changes only data. A flush of a
// growing file also changes its size and block map, and has to wait for the
// journal of the file system.
//
// The spare is not part of the log and nothing depends on it: the filler writes
// only to a file that is not in the log yet, nothing waits for it, and while the
// spare is not finished the current segment just grows. After an error the filler
// stops and frees the space.
type filler struct {
	store  *Store
	wanted chan uint64 // the size of the next spare
	work   sync.WaitGroup

	mu     sync.Mutex
	state  fillerState
	ready  *spare
	scarce time.Time // when there was no room for a spare
}

// scarceAge is how long a disk without room for a spare is not tried again.
const scarceAge = 10 * time.Second

// fillerState prevents one spare from being created over another: the committer
// may be about to take the file of that name, or may have just taken it.
type fillerState int

const (
	idle    fillerState = iota // no spare
	filling                    // the filler has it
	filled                     // ready has it
	adopted                    // the committer has it, still under the name of a spare
)

// spare is a file of zeros that does not have a name in the log yet.
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
		if err != nil { // it stays filling: nothing is retried
			f.giveBack(file)
			continue
		}
		f.mu.Lock()
		f.ready, f.state = &spare{file: file, size: size}, filled
		f.mu.Unlock()
	}
}

// want requests a spare, unless there is one. It never waits.
func (f *filler) want(size uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == idle && time.Since(f.scarce) >= scarceAge {
		f.state = filling
		f.wanted <- size // never blocks: it was empty, or the state was another
	}
}

func (f *filler) hasReady() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state == filled
}

// take returns the finished spare, or nil. The caller must report when the name
// of the spare is free again.
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

// fill creates a file of zeros step by step. It returns the file even with an
// error.
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
	errScarce    = errors.New("the disk has no room for an optional file")
)

func (f *filler) over() bool {
	select {
	case <-f.store.closed:
		return true
	default:
		return f.store.poisoned.Load() != nil
	}
}

// giveBack frees the space of an unused spare. An empty file remains, which is
// never read.
func (f *filler) giveBack(file File) {
	if file != nil {
		_ = file.Truncate(0) // the file is empty and nothing depends on it
		_ = file.Close()
	}
}

// stop ends the filler. The committer, the only one to send requests, has ended
// before.
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

// adopt turns the spare into the segment that begins at base. As with
// createSegment, it gets its name only once its header is durable.
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
