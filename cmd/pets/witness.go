package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"pets/commands"
	"pets/internal/owner"
	"pets/internal/snapshot"
	"pets/internal/witness"
)

// closeWithin bounds what is still hashed and written to the witness in the end; what
// it does not come to is read by the next start.
const closeWithin = 5 * time.Second

// watch is what stands beside a store that is written to: its witness, and the
// snapshots that the witness knows.
type watch struct {
	keeper  *witness.Keeper // nil where a stop goes on without
	saver   *snapshot.Saver
	opened  witness.Opened
	started bool
}

// watching says how a store is watched.
type watching struct {
	// accept goes on with a store that was rolled back; the caller records it.
	accept bool
	// stopping opens the store to stop something: that is refused for nothing.
	stopping bool
	// warn is told, in a sentence, of what a person should look at.
	warn func(text string)
	// differs is told of a stream that does not go on where the witness left off; it may
	// be nil.
	differs func(stream, what string)
	// hashed is told how many records were read, while there are many.
	hashed func(records uint64)
}

// openWatch compares the store with its witness, before anything is decided. One that
// was rolled back is refused, but for a stop: that goes on without a witness, and is
// there when the store is refused later.
func (a *place) openWatch(ctx context.Context, store *diskStore, o watching) (*watch, error) {
	dir, trust := a.config.WitnessDir(), a.trust()
	options := witness.Options{
		Dir: dir, Enter: func(dir string) (*os.Root, error) { return trust.OpenRoot(dir, latchName) }, Owner: a.config.ServerDir(), Store: store, ID: store.UUID(), Urgent: commands.WitnessedAtOnce, Hashed: o.hashed,
		Failed: func(what string, err error) {
			o.warn(what + ": " + err.Error())
			if mismatch := (*witness.MismatchError)(nil); errors.As(err, &mismatch) && o.differs != nil {
				o.differs(mismatch.Stream, err.Error())
			}
		},
	}
	keeper, opened, err := a.openTrusted(ctx, options, o.accept)
	switch {
	case err != nil && o.stopping && errors.As(err, new(*owner.UntrustedError)):
		o.warn(err.Error() + ". What stops something goes on all the same, without the witness")
		return &watch{}, nil
	case err != nil && o.stopping:
		o.warn(err.Error() + ". What stops something goes on all the same, and is recorded in this copy only: once another copy is put back, stop again")
		return &watch{}, nil
	case err != nil:
		return nil, err
	}
	if opened.New && opened.Damage == nil {
		if streams, err := store.Streams(ctx); err == nil && len(streams) > 0 {
			o.warn("there is no witness in " + dir + ": one is made anew. Nobody can tell whether this store was rolled back before now; if there was a witness, find out who removed it")
		}
	}
	return &watch{keeper: keeper, saver: snapshot.NewSaver(a.snapshotDir(), store, keeper), opened: opened}, nil
}

// openTrusted opens a witness that nobody else can have made: what it says is believed, and
// who holds its lock keeps a server from starting.
func (a *place) openTrusted(ctx context.Context, o witness.Options, accept bool) (*witness.Keeper, witness.Opened, error) {
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

// watchFor watches a store that one command of the command line is written to.
func (a *place) watchFor(ctx context.Context, store *diskStore, stopping bool) (*watch, error) {
	w, err := a.openWatch(ctx, store, watching{stopping: stopping, warn: a.caution})
	if err == nil {
		w.start()
	}
	return w, err
}

func (a *place) caution(text string) { _, _ = fmt.Fprintln(a.err, "pets: warning: "+text) }

// start begins to write the witness.
func (w *watch) start() {
	if w.keeper != nil {
		w.keeper.Start()
		w.started = true
	}
}

// snapshots are nil where there is no witness that could know them.
func (w *watch) snapshots() commands.Snapshots {
	if w.saver == nil {
		return nil
	}
	return w.saver
}

// close writes the snapshots that wait, and then what the witness has not seen yet.
// Whoever writes to the store is closed before, the store itself after.
func (w *watch) close() {
	if w.keeper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if !w.started {
		cancel() // nothing was decided that a snapshot could be of
	}
	w.saver.Close(ctx)
	if !w.started {
		w.keeper.Abandon()
		return
	}
	_ = w.keeper.Close(ctx) // it has told of what went wrong
}

func (a *place) snapshotDir() string { return filepath.Join(a.config.ServerDir(), snapshotDir) }

// snapshots are those of a store that is only read.
func (a *place) snapshots(store *diskStore) *snapshot.Folder {
	dir := a.config.WitnessDir()
	if untrusted := (*owner.UntrustedError)(nil); errors.As(a.trusts(dir), &untrusted) {
		a.caution(untrusted.Error() + ". Histories are folded from their beginning")
		dir = "" // no snapshot is believed
	}
	return snapshot.In(a.snapshotDir(), store, witness.Read(dir, store.UUID()))
}
