// Package open opens what lies on disk: stores, engines, keystores, witnesses, and the locks
// and the marker of stops beside them.
//
// It owns in which order they are opened and closed, who is believed about them, and what is
// gone around to stop something. It refuses a folder that may be somebody else's, a store that
// was rolled back, and to make a store where one may have been. Nobody else opens them, but for
// internal/bench, which measures the store alone, in folders of its own.
package open

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/config"
	"pets/internal/witness"
)

// Names in PETS_DIR, which is the store's folder by default.
const (
	// SnapshotDir is a folder of disposable caches.
	SnapshotDir = "snapshots"
	// LatchName is the marker file of an emergency stop that is not recorded yet.
	LatchName = "emergency-stop.json"
	// TLSName is the folder of a certificate of our own.
	TLSName = "tls"
)

// Place is where a run works: the folders that its settings name, and what they turned out
// to be.
type Place struct {
	Config    config.Config
	StoreFlag string           // what --store names
	Err       io.Writer        // who is warned
	Columns   int              // how wide that is; 0 keeps lines whole
	Wall      func() time.Time // another clock, for tests

	// AcceptRollback is why a server goes on with a store that was rolled back; empty for
	// not.
	AcceptRollback string

	Lost      error // why a stop that went on may have been meant for something else
	unlatched bool  // the marker of stops that PETS_DIR has is another store's
}

// What this package hands out, under its own names: nobody else imports the engine.
type (
	Store         = embedded.Store
	LockedError   = embedded.LockedError
	SalvageReport = embedded.SalvageReport
)

// ReadFolder opens the store in a folder for reading, beside a running writer.
func ReadFolder(dir string) (*Store, error) {
	return embedded.OpenReadOnly(dir, embedded.Options{})
}

// FreshEngine is one over a store of a measurement, with nothing beside it. The caller closes
// both, the engine first.
func FreshEngine(dir string) (*Store, *commands.Engine, error) {
	store, err := embedded.Open(dir, embedded.Options{})
	if err != nil {
		return nil, nil, err
	}
	return store, commands.NewEngine(store, commands.EngineOptions{}), nil
}

// Salvage copies what is sound of the store in a folder into a new one.
func Salvage(ctx context.Context, dir, target string, progress func(done, total int64)) (SalvageReport, error) {
	return embedded.Salvage(ctx, dir, target, embedded.SalvageOptions{Progress: progress})
}

// OpenReader opens the store's folder for reading, beside a running writer.
func (a *Place) OpenReader() (*Store, error) {
	dir, err := a.Config.StoreDir()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || storeBelow(dir) != "" {
		return nil, NoStore(dir)
	}
	return ReadFolder(dir)
}

// OpenLooker is OpenReader for those who show what is there: they say so where the witness
// of the store has seen more. A folder that a flag names may be a copy, which has less.
func (a *Place) OpenLooker(ctx context.Context) (*Store, error) {
	seen := witness.See(a.Config.WitnessDir()) // before the store is opened, whose writer goes on
	store, err := a.OpenReader()
	if err == nil && a.StoreFlag == "" {
		if missing := seen.Missing(ctx, store, store.UUID()); missing != nil {
			a.Caution("what is shown may be out of date, or not all: " + missing.Error())
		}
	}
	return store, err
}

// writing is a store that is open for writing, with PETS_DIR, which belongs to it.
type writing struct {
	*embedded.Store
	Lock *Lock // nil where a stop goes on without
}

// Close lets go of both.
func (w *writing) Close() error {
	if w.Lock == nil {
		return w.Store.Close()
	}
	return errors.Join(w.Store.Close(), w.Lock.Close())
}

// Opening says what a store is opened for writing for.
type Opening struct {
	// Making makes a store where there is none: only pets serve and pets import do.
	Making bool
	// Stopping: to stop something is refused for nothing that can be gone around.
	Stopping bool
}

// OpenWriter opens the store for writing.
func (a *Place) OpenWriter(o Opening) (*writing, error) {
	dir, err := a.Config.StoreDir()
	if err != nil {
		return nil, err
	}
	none := a.mayMake(dir, o)
	store, err := embedded.Open(dir, embedded.Options{Existing: none != nil, Reserve: uint64(a.Config.DiskReserve)}) //nolint:gosec // not negative
	if no := (*embedded.NotStoreError)(nil); none != nil && errors.As(err, &no) && !HasStore(dir) {
		return nil, none
	}
	if err != nil {
		return nil, &Unopened{err}
	}
	if torn := store.Torn(); torn.Bytes > 0 {
		a.Tell("warning: an append that a crash cut short was set aside in %s (%d bytes); it had never been acknowledged", torn.File, torn.Bytes)
	}
	lock, err := a.lockDir(dir, store.UUID(), o.Stopping)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &writing{store, lock}, nil
}

// mayMake says why no store is made where there is none: the command makes none, or one was
// there, and an empty one in its place would look as if nothing had ever happened.
func (a *Place) mayMake(dir string, o Opening) error {
	if below := storeBelow(dir); below != "" || !o.Making {
		return NoStore(dir)
	}
	beside := a.Config.WitnessDir()
	a.closes(beside)
	if err := a.trusts(beside); err != nil {
		return err
	}
	if a.AcceptRollback == "" && witness.There(beside) {
		return domain.Errorf(domain.CodeConflict, "there is no store at %s, and the witness in %s is of one that was: its folder is gone, was moved, or is not mounted. Put it back. If both are right, and this is to be a new store beside it, name another folder with PETS_WITNESS. Only if there is no copy, begin anew: pets serve --accept-rollback \"REASON\"", dir, beside)
	}
	return nil
}

// lockDir takes PETS_DIR. Whatever is wrong with that keeps no stop from a store that can
// be written: it goes on with the folder of the store, and where that cannot be locked
// either, without: the lock of the store, which is held, keeps others out.
func (a *Place) lockDir(store string, id uuid.UUID, stopping bool) (*Lock, error) {
	lock, err := a.takeDir(a.Config.ServerDir(), store, id)
	if err == nil || !stopping {
		return lock, err
	}
	text := err.Error()
	if !strings.Contains(text, "PETS_DIR") {
		text = "PETS_DIR: " + text
	}
	if a.Config.Dir == "" || SameFolder(store, a.Config.Dir) {
		a.Caution(text + ". What stops something goes on all the same")
		used := (*dirLockedError)(nil)
		a.unlatched = errors.As(err, &used) // the marker there is the other one's
		return nil, nil                     //nolint:nilnil // without
	}
	a.Caution(text + ". What stops something goes on all the same, with the folder of the store")
	if used := (*dirLockedError)(nil); errors.As(err, &used) && a.StoreFlag == "" && a.Lost == nil {
		a.Lost = domain.Errorf(domain.CodeInvalid, "the store that was meant may be another one: PETS_DIR is in use for the store at %s, which was NOT stopped; name the store with --store", used.by.Store)
	}
	a.Config.Dir = ""
	return a.lockDir(store, id, stopping)
}

// takeDir takes the lock of a PETS_DIR that nobody else can have put anything into.
func (a *Place) takeDir(dir, store string, id uuid.UUID) (*Lock, error) {
	if _, held, err := believed(dir); held && err != nil {
		return nil, err // which names who holds it
	}
	a.closes(dir)
	if err := a.trusts(dir); err != nil {
		return nil, err
	}
	lock, err := LockDir(dir, store, id)
	if err != nil {
		return nil, err
	}
	if err := a.trusts(dir); err != nil { // it was made by then, if it was not there
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// Latch is where stops are kept that are not recorded yet: in PETS_DIR, and in the folder
// of the witness where this store has one. Before there was a PETS_DIR they lay in the
// store's folder.
func (a *Place) Latch(w *Watch) *commands.LatchFile {
	if a.unlatched {
		return nil
	}
	dir := a.Config.ServerDir()
	l := commands.NewLatchFile(filepath.Join(dir, LatchName))
	l.Believe(a.Trust())
	if store, err := a.Config.StoreDir(); err == nil && Apart(store, dir) {
		l.MayMakeFolder()
		l.Former(filepath.Join(store, LatchName))
	}
	if w != nil && w.Keeper != nil { // else the folder may be of another store
		l.CopyTo(a.latchCopy())
	}
	return l
}

func (a *Place) latchCopy() string { return filepath.Join(a.Config.WitnessDir(), LatchName) }

// Apart reports whether two folders are there and are not the same.
func Apart(one, other string) bool {
	a, err1 := os.Stat(one)
	b, err2 := os.Stat(other)
	return err1 == nil && err2 == nil && !os.SameFile(a, b)
}

// Stream is that of the portfolio of this run.
func (a *Place) Stream() string { return commands.Stream(a.Config.Portfolio) }

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

// nowhereError: there is nothing that the command could go to.
type nowhereError struct{ error }

func (e nowhereError) Unwrap() error { return e.error }

// Nowhere makes of an error that there is nothing that the command could go to.
func Nowhere(err error) error { return nowhereError{err} }

// IsNowhere reports whether that is what an error says.
func IsNowhere(err error) bool {
	var e nowhereError
	return errors.As(err, &e)
}

// NoStore says that there is no store in a folder, and where one may be.
func NoStore(dir string) error {
	if below := storeBelow(dir); below != "" {
		return Nowhere(domain.Errorf(domain.CodeNotFound, "there is no store at %s, but one lies in %s: most likely it was moved into a folder that was to be given its name. Move it back to where it belongs; nothing was changed", dir, below))
	}
	return Nowhere(domain.Errorf(domain.CodeNotFound, "there is no store at %s; name the server with --server or PETS_SERVER, or the folder with --store embedded:DIR (pets serve and pets import make one)", dir))
}

// storeBelow is a store that lies one level below a folder that holds none, "" for none. A
// folder below that cannot be listed is none: a volume has root's lost+found from the start.
func storeBelow(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil || holdsStore(entries) {
		return ""
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		below := filepath.Join(dir, e.Name())
		if inside, err := os.ReadDir(below); err == nil && holdsStore(inside) {
			return below
		}
	}
	return ""
}

// HasStore reports whether a folder holds a store, whole or damaged. None is made by
// looking.
func HasStore(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) // what cannot be listed is for the store to judge
	}
	return holdsStore(entries)
}

func holdsStore(entries []os.DirEntry) bool {
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return strings.HasSuffix(e.Name(), ".seg") || e.Name() == "durable"
	})
}

// SameFolder reports whether two paths name one folder that is there.
func SameFolder(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// Clock tells the time.
func (a *Place) Clock() func() time.Time {
	if a.Wall != nil {
		return a.Wall
	}
	return time.Now
}

// Work calls direct with an engine on a store that is open for writing, and closes both. What
// stops something goes on with what can be folded.
func (a *Place) Work(ctx context.Context, store *writing, stopping bool, direct func(*commands.Engine) error) error {
	watch, err := a.WatchFor(ctx, store.Store, stopping)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	var failures failures
	engine := a.Engine(store, watch, commands.EngineOptions{Options: commands.Options{Now: a.Clock()}, Failed: failures.add})
	err = engine.Load(ctx, nil)
	if err != nil && stopping { // what can be folded is stopped and recorded, the rest is stopped
		a.Caution("the store cannot be folded as a whole; what stops something goes on all the same: " + err.Error())
		engine.LoadSound(ctx)
		err = nil
	}
	if err == nil {
		err = direct(engine)
	}
	engine.Close()
	watch.Close()
	for _, line := range failures.lines {
		a.Tell("warning: %v", line)
	}
	return errors.Join(err, store.Close())
}

// Engine is one over a store that is watched, with the marker of stops that belongs to it.
func (a *Place) Engine(store eventstore.Store, w *Watch, o commands.EngineOptions) *commands.Engine {
	o.Snapshots, o.Latch = w.Snapshots(), a.Latch(w)
	return commands.NewEngine(store, o)
}
