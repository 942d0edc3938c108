package open

import (
	"context"
	"errors"
	"time"

	"pets/eventstore/embedded"
)

// Commands hold a folder for a moment, and a server that starts is not to be reached for
// another. Neither ends a start, or a stop: each waits for the other.
const (
	// FolderPatience is how long a server waits for a folder that a command holds.
	FolderPatience = 10 * time.Second
	// HolderPatience is how long a stop waits for a holder that is no server yet.
	HolderPatience = 4 * time.Second
	// folderPause is how often both look.
	folderPause = 50 * time.Millisecond
)

// OpenPatiently opens the store for a server. A folder that another server holds is not
// waited for.
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

// Patiently returns a function that pauses, and says after a second what is waited for. It
// reports false once it has waited long enough.
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
