package main

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"

	"github.com/google/uuid"

	"pets/commands"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/witness"
)

// A store that cannot be opened for writing, because something in it is damaged or the disk
// is full, keeps no stop from being kept: the marker of stops was made for that.

// unopened is why a store could not be opened for writing.
type unopened struct{ error }

func (e *unopened) Unwrap() error { return e.error }

// mayMark reports whether a stop may go into the marker instead: there is a store, it is the
// one that is meant, no other process has it open, and this user may write to it.
func (e *unopened) mayMark() bool {
	var locked *embedded.LockedError
	var none *embedded.NotStoreError
	var half *embedded.UnfinishedError
	return !errors.As(e.error, &locked) && !errors.As(e.error, &none) && !errors.As(e.error, &half) && (os.Geteuid() == 0 || !errors.Is(e.error, fs.ErrPermission))
}

// markStop keeps what direct stops in the marker of PETS_DIR, and in the copy beside the
// witness where that is of this store.
func (a *app) markStop(dir string, why *unopened, inPortfolio bool, direct func(*commands.Engine) error) error {
	id, err := embedded.Identify(dir)
	if err != nil {
		id = uuid.Nil // the marker in PETS_DIR has to do
	}
	lock, err := a.lockDir(dir, id, true)
	if err != nil {
		return errors.Join(err, why)
	}
	latch := a.latch(nil)
	if err := a.writable(latch); err != nil {
		return errors.Join(why, err, lock.Close())
	}
	a.acting("the marker of stops in "+a.config.ServerDir()+", because the store cannot be opened for writing", inPortfolio)
	if id != uuid.Nil && witness.See(a.config.WitnessDir()).Of(id) {
		latch.CopyTo(a.latchCopy())
	}
	var failures failures
	engine := commands.NewEngine(shut{why}, commands.EngineOptions{Options: commands.Options{Now: a.clock()}, Latch: latch, Failed: failures.add})
	err = direct(engine)
	engine.Close()
	for _, line := range failures.lines {
		a.caution(line)
	}
	if err != nil {
		return errors.Join(err, why, lock.Close())
	}
	a.caution("the store cannot be opened for writing: " + why.Error())
	a.caution("what is stopped is kept in " + latchName + " in " + a.config.ServerDir() + "; it holds from the next start on, and is recorded then. Take that file along when the folder is restored (docs/runbooks/store.md)")
	return lock.Close()
}

// writable finds out whether the marker takes a stop before anybody is told that it does. One
// that cannot be understood stops everything, and is left to the engine.
func (a *app) writable(latch *commands.LatchFile) error {
	if a.unlatched {
		return errors.New("the marker of stops in " + a.config.ServerDir() + " is in use for another store")
	}
	all, err := latch.Read()
	if err == nil {
		err = latch.Write(all)
	} else if !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return wrapped("the marker of stops cannot be written either: %w", err)
}

// shut is a store that could not be opened.
type shut struct{ why error }

func (s shut) err() error { return &eventstore.Unavailable{Cause: s.why} }

func (s shut) records() iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) { yield(eventstore.Record{}, s.err()) }
}

func (s shut) Append(context.Context, string, eventstore.Expected, []eventstore.Proposed) (eventstore.Appended, error) {
	return eventstore.Appended{}, s.err()
}

func (s shut) ReadStream(context.Context, string, uint64) iter.Seq2[eventstore.Record, error] {
	return s.records()
}

func (s shut) ReadAll(context.Context, eventstore.Position) iter.Seq2[eventstore.Record, error] {
	return s.records()
}

func (s shut) SubscribeStream(context.Context, string, uint64) iter.Seq2[eventstore.Record, error] {
	return s.records()
}

func (s shut) SubscribeAll(context.Context, eventstore.Position) iter.Seq2[eventstore.Record, error] {
	return s.records()
}

func (s shut) Head(context.Context, string) (uint64, error) { return 0, s.err() }
func (s shut) Streams(context.Context) ([]string, error)    { return nil, s.err() }
func (s shut) Close() error                                 { return nil }
