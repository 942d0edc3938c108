package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"pets/commands"
	"pets/eventstore/embedded"
)

// Names in PETS_DIR, which is the store's folder by default.
const (
	// snapshotDir is a folder of disposable caches.
	snapshotDir = "snapshots"
	// latchName is the marker file of an emergency stop that is not recorded yet.
	latchName = "emergency-stop.json"
	// tlsName is the folder of a certificate of our own.
	tlsName = "tls"
)

// openReader opens the store's folder for reading, beside a running writer.
func (a *app) openReader() (*embedded.Store, error) {
	dir, err := a.config.StoreDir()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, noStore(dir)
	}
	return embedded.OpenReadOnly(dir, embedded.Options{})
}

// writing is a store that is open for writing, with PETS_DIR, which belongs to it.
type writing struct {
	*embedded.Store
	lock *serverLock // nil where a stop goes on without
}

// Close lets go of both.
func (w *writing) Close() error {
	if w.lock == nil {
		return w.Store.Close()
	}
	return errors.Join(w.Store.Close(), w.lock.Close())
}

// openExisting opens the store for writing. It makes none: only pets serve and pets import
// do.
func (a *app) openExisting() (*writing, error) {
	dir, err := a.config.StoreDir()
	if err == nil && !hasStore(dir) {
		err = noStore(dir)
	}
	if err != nil {
		return nil, err
	}
	return a.openWriter()
}

// openWriter opens it for writing, creating it where there is none.
func (a *app) openWriter() (*writing, error) {
	dir, err := a.config.StoreDir()
	if err != nil {
		return nil, err
	}
	store, err := embedded.Open(dir, embedded.Options{Reserve: uint64(a.config.DiskReserve)}) //nolint:gosec // not negative
	if err != nil {
		return nil, err
	}
	if torn := store.Torn(); torn.Bytes > 0 {
		_, _ = fmt.Fprintf(a.err, "pets: warning: an append that a crash cut short was set aside in %s (%d bytes); it had never been acknowledged\n", torn.File, torn.Bytes)
	}
	lock, err := a.lockAround(dir, func(in string) (*serverLock, error) { return lockServerDir(in, dir) })
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	w := &writing{store, lock}
	if err := a.takeOverLatch(dir); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// takeOverLatch brings stops that wait in the store's folder, where they lay before there
// was a PETS_DIR, to where they are looked for now. Both are kept where both hold any.
func (a *app) takeOverLatch(store string) error {
	if sameFolder(store, a.config.ServerDir()) {
		return nil
	}
	former := filepath.Join(store, latchName)
	if _, err := os.Stat(former); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	waiting, err := commands.NewLatchFile(former).Read()
	if err != nil || len(waiting) == 0 {
		return err
	}
	latch := a.latch()
	here, err := latch.Read()
	if err != nil {
		return err
	}
	if err := latch.Write(append(waiting, here...)); err != nil {
		return fmt.Errorf("take over the stops of %s: %w", former, err)
	}
	return os.Remove(former)
}

func (a *app) latch() *commands.LatchFile {
	return commands.NewLatchFile(filepath.Join(a.config.ServerDir(), latchName))
}

func (a *app) stream() string { return commands.Stream(a.config.Portfolio) }

// scope is what a command changes.
type scope int

const (
	nothing scope = iota
	aPortfolio
	theStore
)

// eitherWay calls direct with an engine on the folder where no server is named and none
// holds it, and served where one is or does.
func (a *app) eitherWay(ctx context.Context, changes scope, direct func(*commands.Engine) error, served func() error) error {
	return a.way(ctx, changes, false, direct, served)
}

// way is eitherWay, but what stops something is not kept from a folder that was rolled back.
func (a *app) way(ctx context.Context, changes scope, stopping bool, direct func(*commands.Engine) error, served func() error) error {
	t, err := a.target()
	switch {
	case err != nil:
		return err
	case t.url != "":
		return served()
	}
	store, err := a.openExisting()
	var locked *embedded.LockedError
	if errors.As(err, &locked) {
		if err := a.throughServer(t.dir, locked); err != nil {
			return err
		}
		return served()
	}
	if err != nil {
		return err
	}
	if changes != nothing {
		a.acting("the folder "+t.dir+", which no server holds", changes == aPortfolio)
	}
	watch, err := a.watchFor(ctx, store.Store, stopping)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	var failures failures
	engine := commands.NewEngine(store, commands.EngineOptions{
		Options: commands.Options{Now: a.clock(), Snapshots: watch.snapshots()}, Latch: a.latch(), Failed: failures.add,
	})
	if err = engine.Load(ctx, nil); err == nil {
		err = direct(engine)
	}
	engine.Close()
	watch.close()
	for _, line := range failures.lines {
		_, _ = fmt.Fprintln(a.err, "pets: warning:", line)
	}
	return errors.Join(err, store.Close())
}

// failures are what an engine says from its background, to be shown when it has ended.
type failures struct {
	mu    sync.Mutex
	lines []string
}

func (f *failures) add(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, fmt.Sprintf("%s: %v", what, err))
}

// throughServer finds the server that holds a folder; there has to be a key for it.
func (a *app) throughServer(dir string, locked *embedded.LockedError) error {
	if _, err := a.holder(dir); err != nil {
		return err
	}
	if a.config.Key.Reveal() == "" {
		return fmt.Errorf("%w; where that is pets serve, set PETS_KEY, and this goes through it", locked)
	}
	return nil
}
