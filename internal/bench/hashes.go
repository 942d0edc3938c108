package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pets/eventstore"
)

// Follower reads every record of a store as it is added and hashes it, until the
// context ends. It calls level with its progress, after each record or from time
// to time.
type Follower func(ctx context.Context, store eventstore.Store, level func(eventstore.Position)) error

// followed is a store with a follower.
type followed struct {
	*run
	mu     sync.Mutex
	at     eventstore.Position // of the follower
	last   eventstore.Position // of the last append
	failed error
}

// RunHashes measures appends a second with a follower ÷ without one. A turn with
// a follower ends when the follower has caught up; otherwise its remaining work
// would slow down the other's turn.
func RunHashes(ctx context.Context, o Options, name string, follow Follower) (m Measured, err error) {
	if o.Rounds < 1 {
		return m, errors.New("rounds must be at least 1")
	}
	dir, err := os.MkdirTemp(o.Dir, "pets-bench-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bare, err := newRun(o, filepath.Join(dir, "without"))
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, bare.store.Close()) }()
	hashed, err := newRun(o, filepath.Join(dir, "with"))
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, hashed.store.Close()) }()
	f := &followed{run: hashed}
	following, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	group.Go(func() { f.end(follow(following, hashed.store, f.level)) })
	figures, err := Turns(ctx, o.Rounds, []Contender{
		{Name: "with", Writers: writers, Work: f.append, Settle: f.settle},
		{Name: "without", Writers: writers, Work: bare.append},
	}, o.Progress)
	if err != nil {
		return m, err
	}
	what := fmt.Sprintf("durable events of 64 writers a second, with hashes (%s), until it has them all; beside none", name)
	return Ratio(0, "with hashes ÷ without", what, "events/s", figures[0], figures[1]), nil
}

func (f *followed) append(writer int) error {
	appended, err := f.put(writer)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if appended.Position.Compare(f.last) > 0 {
		f.last = appended.Position
	}
	return f.failed
}

func (f *followed) level(at eventstore.Position) {
	f.mu.Lock()
	f.at = at
	f.mu.Unlock()
}

func (f *followed) end(err error) {
	f.mu.Lock()
	f.failed = err
	f.mu.Unlock()
}

// settle waits until the follower has caught up with the appends.
func (f *followed) settle(ctx context.Context) error {
	for ctx.Err() == nil {
		f.mu.Lock()
		level, err := f.at.Compare(f.last) >= 0, f.failed
		f.mu.Unlock()
		if level || err != nil {
			return err
		}
		time.Sleep(50 * time.Microsecond)
	}
	return ctx.Err()
}
