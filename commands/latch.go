package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"pets/domain"
	"pets/internal/owner"
)

// PendingStop is an emergency stop that holds but is not recorded yet.
type PendingStop struct {
	Portfolio string        `json:"portfolio"`
	Caller    domain.Caller `json:"caller"`
	// Key is the Idempotency-Key it will be recorded under.
	Key    string    `json:"key"`
	Kind   string    `json:"kind"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// LatchFile keeps stops that are not recorded yet where a restart finds them: a
// marker file beside the store, written anew as a whole each time. An empty or
// missing file means that there are none.
type LatchFile struct {
	path string

	mu sync.Mutex
}

// NewLatchFile returns the latch in a file, which need not exist.
func NewLatchFile(path string) *LatchFile { return &LatchFile{path: path} }

// maxLatch bounds what is read of a marker file.
const maxLatch = 16 << 20

// Read returns what is pending. A file that cannot be understood is an error:
// somebody wanted to stop, and nobody knows what.
func (l *LatchFile) Read() ([]PendingStop, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := os.ReadFile(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the marker of emergency stops: %w", err)
	case len(b) > maxLatch:
		return nil, fmt.Errorf("the marker of emergency stops %s is too large to be one", l.path)
	}
	var all []PendingStop
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("the marker of emergency stops %s cannot be understood: a stop that it holds would be lost; look at it, and remove it once the portfolios were stopped by hand", l.path)
	}
	return all, nil
}

// Write replaces what is pending, durably.
func (l *LatchFile) Write(all []PendingStop) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := json.Marshal(slices.Clip(all))
	if err != nil {
		return err
	}
	tmp := l.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, owner.Keep(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, l.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(l.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
