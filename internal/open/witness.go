package open

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"pets/commands"
	"pets/internal/columns"
	"pets/internal/owner"
	"pets/internal/snapshot"
	"pets/internal/witness"
)

// closeWithin bounds what is still hashed and written to the witness in the end; what
// it does not come to is read by the next start.
const closeWithin = 5 * time.Second

// Watch is what stands beside a store that is written to: its witness, and the
// snapshots that the witness knows.
type Watch struct {
	Keeper  *witness.Keeper // nil where a stop goes on without
	Saver   *snapshot.Saver
	Opened  witness.Opened
	started bool
}

// Watching says how a store is watched.
type Watching struct {
	// Accept goes on with a store that was rolled back; the caller records it.
	Accept bool
	// stopping opens the store to stop something: that is refused for nothing.
	stopping bool
	// Warn is told, in a sentence, of what a person should look at.
	Warn func(text string)
	// Differs is told of a stream that does not go on where the witness left off; it may
	// be nil.
	Differs func(stream, what string)
	// Hashed is told how many records were read, while there are many.
	Hashed func(records uint64)
}

// OpenWatch compares the store with its witness, before anything is decided. One that
// was rolled back is refused, but for a stop: that goes on without a witness, and is
// there when the store is refused later.
func (a *Place) OpenWatch(ctx context.Context, store *Store, o Watching) (*Watch, error) {
	dir, trust := a.Config.WitnessDir(), a.Trust()
	options := witness.Options{
		Dir: dir, Enter: func(dir string) (*os.Root, error) { return trust.OpenRoot(dir, LatchName) }, Owner: a.Config.ServerDir(), Store: store, ID: store.UUID(), Urgent: commands.WitnessedAtOnce, Hashed: o.Hashed,
		Failed: func(what string, err error) {
			o.Warn(what + ": " + err.Error())
			if mismatch := (*witness.MismatchError)(nil); errors.As(err, &mismatch) && o.Differs != nil {
				o.Differs(mismatch.Stream, err.Error())
			}
		},
	}
	keeper, opened, err := a.openTrusted(ctx, options, o.Accept)
	switch {
	case err != nil && o.stopping && errors.As(err, new(*owner.UntrustedError)):
		o.Warn(err.Error() + ". What stops something goes on all the same, without the witness")
		return &Watch{}, nil
	case err != nil && o.stopping:
		o.Warn(err.Error() + ". What stops something goes on all the same, and is recorded in this copy only: once another copy is put back, stop again")
		return &Watch{}, nil
	case err != nil:
		return nil, err
	}
	if opened.New && opened.Damage == nil {
		if streams, err := store.Streams(ctx); err == nil && len(streams) > 0 {
			o.Warn("there is no witness in " + dir + ": one is made anew. Nobody can tell whether this store was rolled back before now; if there was a witness, find out who removed it")
		}
	}
	return &Watch{Keeper: keeper, Saver: snapshot.NewSaver(a.snapshotDir(), store, keeper), Opened: opened}, nil
}

// openTrusted opens a witness that nobody else can have made: what it says is believed, and
// who holds its lock keeps a server from starting.
func (a *Place) openTrusted(ctx context.Context, o witness.Options, accept bool) (*witness.Keeper, witness.Opened, error) {
	a.closes(o.Dir)
	if err := a.trusts(o.Dir); err != nil {
		return nil, witness.Opened{}, err
	}
	keeper, opened, err := witness.Open(ctx, o, accept)
	if err != nil {
		return nil, opened, err
	}
	if err := a.trusts(o.Dir); err != nil { // it was made by then, if it was not there
		keeper.Abandon()
		return nil, opened, err
	}
	return keeper, opened, nil
}

// WatchFor watches a store that one command of the command line is written to.
func (a *Place) WatchFor(ctx context.Context, store *Store, stopping bool) (*Watch, error) {
	w, err := a.OpenWatch(ctx, store, Watching{stopping: stopping, Warn: a.Caution})
	if err == nil {
		w.Start()
	}
	return w, err
}

// Tell says something to the person at the terminal, on standard error. It repeats no API key.
func (a *Place) Tell(format string, args ...any) {
	const more = 6 // beside "pets: "
	for _, line := range columns.Wrap("pets: "+columns.Shown(columns.WithoutKeys(fmt.Sprintf(format, args...))), a.Columns, more) {
		_, _ = fmt.Fprintln(a.Err, line)
	}
}

// Caution warns the person at the terminal.
func (a *Place) Caution(text string) { a.Tell("warning: %s", text) }

// Start begins to write the witness.
func (w *Watch) Start() {
	if w.Keeper != nil {
		w.Keeper.Start()
		w.started = true
	}
}

// Snapshots are nil where there is no witness that could know them.
func (w *Watch) Snapshots() commands.Snapshots {
	if w.Saver == nil {
		return nil
	}
	return w.Saver
}

// Close writes the snapshots that wait, and then what the witness has not seen yet.
// Whoever writes to the store is closed before, the store itself after.
func (w *Watch) Close() {
	if w.Keeper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if !w.started {
		cancel() // nothing was decided that a snapshot could be of
	}
	w.Saver.Close(ctx)
	if !w.started {
		w.Keeper.Abandon()
		return
	}
	_ = w.Keeper.Close(ctx) // it has told of what went wrong
}

func (a *Place) snapshotDir() string { return filepath.Join(a.Config.ServerDir(), SnapshotDir) }

// Snapshots are those of a store that is only read.
func (a *Place) Snapshots(store *Store) *snapshot.Folder {
	dir := a.Config.WitnessDir()
	if untrusted := (*owner.UntrustedError)(nil); errors.As(a.trusts(dir), &untrusted) {
		a.Caution(untrusted.Error() + ". Histories are folded from their beginning")
		dir = "" // no snapshot is believed
	}
	return snapshot.In(a.snapshotDir(), store, witness.Read(dir, store.UUID()))
}
