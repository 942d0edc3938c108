package open

import (
	"context"
	"errors"
	"time"

	"pets/eventstore/embedded"
)

// A command may hold the folder of the store for a moment, and a starting server cannot be
// reached yet. Neither makes a start or a stop fail: each waits for the other.
const (
	// FolderPatience is how long a server waits for a folder that a command holds.
	FolderPatience = 10 * time.Second
	// HolderPatience is how long a stop waits for a holder that is not a ready server.
	HolderPatience = 4 * time.Second
	// folderPause is the time between two attempts.
	folderPause = 50 * time.Millisecond
)

// OpenPatiently opens the store for a server. It waits for a command that holds the folder,
// but not for another server.
func (a *Place) OpenPatiently(ctx context.Context) (*writing, error) {
	wait := a.Patiently("the folder of the store or PETS_DIR is held", FolderPatience)
	for {
		w, err := a.OpenWriter(Opening{Making: true})
		var store *embedded.LockedError
		var dir *dirLockedError
		switch {
		case errors.As(err, &store):
			if k, _ := a.KeeperOf(store.Dir); k != nil && k.URL != "" {
				return nil, err
			}
		case errors.As(err, &dir):
			if dir.by.URL != "" {
				return nil, err
			}
		default:
			return w, err
		}
		if !wait(ctx, err) {
			return nil, err
		}
	}
}

// Patiently returns a function that pauses and, after a second, prints what it waits for. The
// function reports false once patience is used up or ctx has ended.
func (a *Place) Patiently(what string, patience time.Duration) func(ctx context.Context, why error) bool {
	start, said := time.Now(), false
	return func(ctx context.Context, why error) bool {
		waited := time.Since(start)
		if waited >= patience {
			return false
		}
		if waited >= time.Second && !said {
			said = true
			a.Tell("waiting up to %s: %s: %v", patience, what, why)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(folderPause):
			return true
		}
	}
}
