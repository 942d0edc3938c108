package history

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"pets/commands"
	"pets/eventstore"
	"pets/internal/index"
)

// Verify compares the index with the log, entry by entry. An error that matches
// [index.ErrRebuild] says what differs, and the index is made again. rest, which may be nil,
// is called for every record.
func (k *Keeper) Verify(ctx context.Context, rest func(context.Context) error) error {
	k.mu.RLock()
	x, err := k.x, k.unsure()
	k.mu.RUnlock()
	if err != nil {
		return err
	}
	err = x.Verify(ctx, additions(ctx, k.store, rest))
	if errors.Is(err, index.ErrRebuild) {
		k.doubtOf(x, err)
	}
	return err
}

// VerifyFolder compares the index in a folder with the log of a store, also beside a server. It
// writes nothing. ok is false if there is no index.
func VerifyFolder(ctx context.Context, dir string, store eventstore.Store, id uuid.UUID) (s index.Stats, ok bool, err error) {
	r, err := index.OpenReader(dir, id, RootOf(store))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, true, err
	}
	defer r.Close() //nolint:errcheck // nothing was written
	s = r.Stats()
	for _, dropped := range r.Dropped() { // others are ahead of the log as it is seen here
		if errors.Is(dropped, index.ErrRebuild) {
			err = errors.Join(err, dropped)
		}
	}
	if err != nil {
		return s, true, err
	}
	return s, true, r.Verify(ctx, additions(ctx, store, nil))
}

// sweep removes what interrupted verifications of earlier builds left behind.
func (k *Keeper) sweep() {
	left, _ := filepath.Glob(filepath.Join(k.options.Dir, "index-verify-*")) // the pattern is well-formed
	for _, dir := range left {
		_ = os.RemoveAll(dir) // the next start tries again
	}
}

// additions yields what all records of a log add to an index.
func additions(ctx context.Context, store eventstore.Store, rest func(context.Context) error) iter.Seq2[index.Addition, error] {
	return func(yield func(index.Addition, error) bool) {
		ids := commands.NewIdentities(store)
		for rec, err := range store.ReadAll(ctx, eventstore.Position{}) {
			var a index.Addition
			if err == nil {
				a.At = index.Position(rec.Position.Commit)
				a.Entries, err = additionOf(ctx, ids, &rec, nil)
			}
			if err == nil && rest != nil {
				err = rest(ctx)
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}
}
