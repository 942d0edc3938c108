package open

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pets/commands"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/columns"
	"pets/internal/owner"
	"pets/internal/snapshot"
	"pets/internal/views"
	"pets/internal/witness"
)

// closeWithin bounds the hashing and writing of the witness at the end; the next start reads
// the rest.
const closeWithin = 5 * time.Second

// Watch is what runs beside a store that is open for writing: its witness, and the checkpoints
// that the witness confirms.
type Watch struct {
	Keeper  *witness.Keeper // nil if a stop runs without a witness
	Opened  witness.Opened
	saver   *snapshot.Saver // nil without a Keeper
	views   *views.Folder   // nil without a Keeper, or if it is not trusted
	started bool
	store   eventstore.Store
}

// Watching holds the options of OpenWatch.
type Watching struct {
	// Accept opens a store that was rolled back; the caller records that.
	Accept bool
	// stopping opens the store to stop something, which no difference prevents.
	stopping bool
	// Warn gets a sentence about something that a person should look at.
	Warn func(text string)
	// Differs, if not nil, gets a stream that does not continue where the witness left off.
	Differs func(stream, what string)
	// Log gets the checkpoints that cannot be used or written. It may be nil.
	Log *slog.Logger
	// Hashed gets the number of records read so far, if there are many.
	Hashed func(records uint64)
}

// OpenWatch compares the store with its witness before anything is decided. It refuses a store
// that was rolled back, except for a stop: that goes on without a witness, and the rollback
// still shows at the next ordinary start.
func (a *Place) OpenWatch(ctx context.Context, store Store, o Watching) (*Watch, error) {
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
		o.Warn(err.Error() + ". The stop goes on, without the witness")
		return &Watch{}, nil
	case err != nil && o.stopping:
		o.Warn(err.Error() + ". The stop goes on, and is recorded in this copy only: once another copy is put back, stop again")
		return &Watch{}, nil
	case err != nil:
		return nil, err
	}
	if opened.New && opened.Damage == nil {
		if streams, err := store.Streams(ctx); err == nil && len(streams) > 0 {
			o.Warn("there is no witness in " + dir + ": one is made anew. It cannot be known whether this store was rolled back before now; if there was a witness, find out who removed it")
		}
	}
	saver := snapshot.NewSaver(a.checkpointDir(), store, commands.CheckpointVersion, keeper, o.Log)
	saver.Leave(uint64(a.Config.DiskReserve), embedded.FreeOn) //nolint:gosec // not negative
	return &Watch{Keeper: keeper, saver: saver, views: a.views(store, o.Log), Opened: opened, store: store}, nil
}

// openTrusted opens a witness that no other user can have made: its content is trusted, and a
// process that holds its lock keeps a server from starting.
func (a *Place) openTrusted(ctx context.Context, o witness.Options, accept bool) (*witness.Keeper, witness.Opened, error) {
	a.closes(o.Dir)
	if err := a.trusts(o.Dir); err != nil {
		return nil, witness.Opened{}, err
	}
	keeper, opened, err := witness.Open(ctx, o, accept)
	if err != nil {
		return nil, opened, err
	}
	if err := a.trusts(o.Dir); err != nil { // witness.Open may have created it
		keeper.Abandon()
		return nil, opened, err
	}
	return keeper, opened, nil
}

// WatchFor watches a store while one command writes to it.
func (a *Place) WatchFor(ctx context.Context, store Store, stopping bool) (*Watch, error) {
	w, err := a.OpenWatch(ctx, store, Watching{stopping: stopping, Warn: a.Caution})
	if err == nil {
		w.Start()
	}
	return w, err
}

// Tell says something to the person at the terminal, on standard error. It repeats no key,
// and only the format begins a line.
func (a *Place) Tell(format string, args ...any) {
	const more = 6 // beside "pets: "
	text := columns.WithoutTyped(columns.Format(format, args...), a.Arguments)
	for part := range strings.SplitSeq(text, "\n") {
		for _, line := range columns.Wrap("pets: "+part, a.Columns, more) {
			_, _ = fmt.Fprintln(a.Err, line)
		}
	}
}

// Caution prints a warning on standard error.
func (a *Place) Caution(text string) { a.Tell("warning: %s", text) }

// Start starts writing the witness.
func (w *Watch) Start() {
	if w.Keeper != nil {
		w.Keeper.Start()
		w.started = true
	}
}

// Close writes the waiting checkpoints and then what the witness has not seen yet. Close the
// writers of the store before it, and the store after it.
func (w *Watch) Close() {
	if w.Keeper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if !w.started {
		cancel() // there is nothing new to keep
	}
	w.saver.Close(ctx)
	if w.views != nil {
		_ = w.views.Close() // nothing is read or written through it any more
	}
	if !w.started {
		w.Keeper.Abandon()
		return
	}
	_ = w.Keeper.Close(ctx) // it has reported its errors to Warn
}

func (a *Place) checkpointDir() string { return filepath.Join(a.Config.ServerDir(), CheckpointDir) }

// Checkpoints returns the checkpoints of a store that is open for reading only.
func (a *Place) Checkpoints(store Store) *snapshot.Folder {
	dir := a.Config.WitnessDir()
	if untrusted := (*owner.UntrustedError)(nil); errors.As(a.trusts(dir), &untrusted) {
		a.Caution(untrusted.Error() + ". Histories are folded from their beginning")
		dir = "" // trust no checkpoint
	}
	return snapshot.In(a.checkpointDir(), store, commands.CheckpointVersion, witness.Read(dir, store.UUID()))
}
