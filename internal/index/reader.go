package index

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// listings is how often a reader looks at a folder that changes all the time. Runs
// are merged once in seconds, so a few are enough.
const listings = 50

// Reader is an index that is open for reading, beside a server that writes it, or
// without one. It sees the files of the last [Reader.Refresh].
type Reader struct {
	lookup
	dir       folder
	store     uuid.UUID
	root      RootFunc
	refresh   sync.Mutex
	dropped   []error
	closeOnce sync.Once
	closeErr  error
}

// OpenReader opens the index in a folder for reading. It changes nothing there, and
// needs no lock. A missing folder is fs.ErrNotExist. Runs whose root is not known
// in the log as the caller sees it do not count.
func OpenReader(dir string, store uuid.UUID, root RootFunc) (*Reader, error) {
	d, err := openFolder(dir, false)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	r, err := openReader(d, store, root)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return r, nil
}

func openReader(d folder, store uuid.UUID, root RootFunc) (*Reader, error) {
	r := &Reader{dir: d, store: store, root: root}
	return r, r.Refresh()
}

// Refresh looks for newer files. After an error the reader has what it had.
func (r *Reader) Refresh() error {
	r.refresh.Lock()
	defer r.refresh.Unlock()
	r.mu.RLock()
	closed := r.closed
	r.mu.RUnlock()
	if closed {
		return ErrClosed
	}
	for range listings {
		names, err := r.stableNames()
		if err != nil {
			return fmt.Errorf("index: %w", err)
		}
		dropped, err := r.load(r.dir, r.store, names, r.root)
		if err == nil {
			r.dropped = dropped
			r.fault.Store(nil)
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return r.note(err)
		}
		// A run was merged, and removed, since its name was read.
	}
	return fmt.Errorf("index: its files changed %d times while they were opened; try again", listings)
}

// Dropped says which files did not count at the last [Reader.Refresh], and why.
func (r *Reader) Dropped() []error {
	r.refresh.Lock()
	defer r.refresh.Unlock()
	return r.dropped
}

// stableNames lists the folder until two listings are the same: one that is read
// while runs are merged may have neither the sources nor the result.
func (r *Reader) stableNames() ([]string, error) {
	names, err := r.dir.list()
	for range listings {
		if err != nil {
			return nil, err
		}
		var again []string
		if again, err = r.dir.list(); slices.Equal(names, again) {
			return names, err
		}
		names = again
	}
	return names, err
}

// Close releases the files.
func (r *Reader) Close() error {
	r.closeOnce.Do(func() {
		r.refresh.Lock()
		defer r.refresh.Unlock()
		r.shut()
		r.closeErr = r.dir.close()
	})
	return r.closeErr
}
