package open

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/witness"
)

// A stop must be kept even if the store cannot be opened for writing, because it is damaged
// or the disk is full. The marker of stops is there for that.

// Unopened wraps the reason why a store could not be opened for writing.
type Unopened struct{ error }

func (e *Unopened) Unwrap() error { return e.error }

// MayMark reports whether the stop may go into the marker instead: the store exists, it is
// complete, no other process has it open, and this user may write to it.
func (e *Unopened) MayMark() bool {
	var locked *embedded.LockedError
	var none *embedded.NotStoreError
	var half *embedded.UnfinishedError
	return !errors.As(e.error, &locked) && !errors.As(e.error, &none) && !errors.As(e.error, &half) && (os.Geteuid() == 0 || !errors.Is(e.error, fs.ErrPermission))
}

// MarkStop runs direct and keeps its stops in the marker of PETS_DIR, and in the copy beside
// the witness if that witness is of this store.
func (a *Place) MarkStop(dir string, why *Unopened, acting func(marker string), direct func(*commands.Engine) error) error {
	id := a.identify(dir) // without one, the marker in PETS_DIR has to suffice
	lock, err := a.lockDir(dir, id, true)
	if err != nil {
		return errors.Join(err, why)
	}
	latch := a.Latch(nil)
	if err := a.writable(latch); err != nil {
		return errors.Join(why, err, lock.Close())
	}
	acting("the marker of stops in " + a.Config.ServerDir() + ", because the store cannot be opened for writing")
	if id != uuid.Nil && witness.See(a.Config.WitnessDir()).Of(id) {
		latch.CopyTo(a.latchCopy())
	}
	var failures failures
	engine := commands.NewEngine(shut{why}, commands.EngineOptions{Options: commands.Options{Now: a.Clock()}, Latch: latch, Failed: failures.add})
	err = direct(engine)
	engine.Close()
	for _, line := range failures.lines {
		a.Caution(line)
	}
	if err != nil {
		return errors.Join(err, why, lock.Close())
	}
	a.Caution("the store cannot be opened for writing: " + why.Error())
	if a.Config.Database() != "" {
		a.Lost = domain.Errorf(domain.CodeUnavailable, "the stop holds only for servers and commands with the PETS_DIR %s until it is recorded in the database: the other servers of the database do NOT know of it. Stop at each of them that answers, too", a.Config.ServerDir())
	}
	a.Caution("what is stopped is kept in " + LatchName + " in " + a.Config.ServerDir() + "; it holds from the next start on, and is recorded then. Take that file along when the folder is restored (docs/runbooks/store.md)")
	return lock.Close()
}

func identityIn(dir string) uuid.UUID {
	id, err := embedded.Identify(dir)
	if err != nil {
		return uuid.Nil
	}
	return id
}

// writable checks that the marker can be written before anyone is told that a stop holds. A
// marker that cannot be parsed stops everything and is left to the engine.
func (a *Place) writable(latch *commands.LatchFile) error {
	if a.unlatched {
		return errors.New("the marker of stops in " + a.Config.ServerDir() + " is in use for another store")
	}
	all, err := latch.Read()
	if err == nil {
		err = latch.Write(all)
	} else if !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the marker of stops cannot be written either: %w", err)
	}
	return nil
}

// shut stands for a store that could not be opened.
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
