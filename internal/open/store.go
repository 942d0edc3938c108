// Package open opens what is on disk: stores, engines, keystores, witnesses, and the locks and
// the marker of stops beside them.
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
	"log/slog"
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
	"pets/eventstore/esdb"
	"pets/eventstore/memory"
	"pets/internal/config"
	"pets/internal/history"
	"pets/internal/index"
	"pets/internal/witness"
)

// Names in PETS_DIR, which is the store's folder by default.
const (
	// CheckpointDir is a folder of disposable caches.
	CheckpointDir = "snapshots"
	// ViewsDir is the folder of what readers of the whole history have written, a disposable
	// cache, too.
	ViewsDir = "views"
	// IndexDir is the folder of the index of the history, a disposable cache, too.
	IndexDir = "index"
	// LatchName is the marker file of an emergency stop that is not recorded yet.
	LatchName = "emergency-stop.json"
	// TLSName is the folder of a self-made certificate.
	TLSName = "tls"
)

// Place is where a run works: the folders that its settings name and what was found out about
// them.
type Place struct {
	Config    config.Config
	StoreFlag string           // what --store names
	Err       io.Writer        // where warnings go
	Columns   int              // the width of Err; 0 keeps lines whole
	Arguments []string         // what was typed: no warning repeats a secret in it
	Wall      func() time.Time // another clock, for tests
	// Measured, if set, wraps the store that an engine appends to. pets bench times appends so.
	Measured func(eventstore.Store) eventstore.Store

	// AcceptRollback is the reason for which a server goes on with a store that was rolled back;
	// empty to refuse it.
	AcceptRollback string

	Lost      error // why a stop may have had the wrong target
	unlatched bool  // the marker in PETS_DIR belongs to another store
	warned    bool  // that the store was rolled back
}

// Store is a store that is open: of an engine in a folder, or of another one.
type Store interface {
	history.Store // with its identity, and where it ends
	// Health says whether it can be written to, and what is known of its disk.
	Health() eventstore.Health
	// Free is how many bytes can still be written, or an error where that is not known.
	Free() (uint64, error)
	// Verify reads every record again and checks what the engine keeps of it.
	Verify(ctx context.Context, progress func(done, total int64)) (eventstore.Report, error)
}

// The engine's types that this package returns, so that no other package imports the engine.
type (
	LockedError   = embedded.LockedError
	SalvageReport = embedded.SalvageReport
)

// ReadFolder opens the store in a folder for reading, beside a running writer.
func ReadFolder(dir string) (Store, error) {
	store, err := embedded.OpenReadOnly(dir, embedded.Options{})
	if err != nil {
		return nil, err // not a nil store in an interface
	}
	return store, nil
}

// MemoryEngine returns an engine on a store in memory, by the caller's clock, to measure what commands
// record. The caller closes the engine.
func MemoryEngine(now func() time.Time) (eventstore.Store, *commands.Engine) {
	store := memory.New()
	return store, commands.NewEngine(store, commands.EngineOptions{Options: commands.Options{Now: now}})
}

// FreshEngine returns an engine on a store for a measurement, without locks or witness. The
// caller closes both, the engine first.
func FreshEngine(dir string) (Store, *commands.Engine, error) {
	store, err := embedded.Open(dir, embedded.Options{})
	if err != nil {
		return nil, nil, err
	}
	return store, commands.NewEngine(store, commands.EngineOptions{}), nil
}

// Salvage copies the sound records of the store in a folder into a new store.
func Salvage(ctx context.Context, dir, target string, progress func(done, total int64)) (SalvageReport, error) {
	return embedded.Salvage(ctx, dir, target, embedded.SalvageOptions{Progress: progress})
}

// OpenReader opens the store's folder for reading, beside a running writer.
func (a *Place) OpenReader() (Store, error) {
	if a.Config.Database() != "" {
		store, err := a.connect(esdb.Options{Timeout: askPatience, Patience: serverPatience, Existing: true})
		if errors.Is(err, esdb.ErrNoStore) {
			return nil, Nowhere(domain.Errorf(domain.CodeNotFound, "there is no store of pets in the EventStoreDB of PETS_STORE; the first pets serve or pets import makes one"))
		}
		return store, err
	}
	dir, err := a.Config.StoreDir()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || storeBelow(dir) != "" {
		return nil, NoStore(dir)
	}
	return ReadFolder(dir)
}

// OpenLooker is OpenReader for commands that show the store: it warns if the witness has seen
// more than the store has. It does not for a folder named by a flag, which may be an old copy.
func (a *Place) OpenLooker(ctx context.Context) (Store, error) {
	seen := witness.See(a.Config.WitnessDir()) // first, because the store's writer may still append
	store, err := a.OpenReader()
	if err == nil && a.StoreFlag == "" {
		if missing := seen.Missing(ctx, store, store.UUID()); missing != nil && !a.warned {
			a.warned = true // a command may look more than once
			a.Caution("what is shown may be out of date, or not all: " + missing.Error())
		}
	}
	return store, err
}

// writing is a store that is open for writing, together with the lock of its PETS_DIR.
type writing struct {
	Store
	Lock *Lock // nil if a stop runs without it
}

// Unwrap returns the store, whose limits are asked for.
func (w *writing) Unwrap() eventstore.Store { return w.Store }

// Close closes the store and releases PETS_DIR.
func (w *writing) Close() error {
	if w.Lock == nil {
		return w.Store.Close()
	}
	return errors.Join(w.Store.Close(), w.Lock.Close())
}

// Opening says for what purpose a store is opened for writing.
type Opening struct {
	// Making creates a missing store: only pets serve and pets import do that.
	Making bool
	// Stopping opens the store to stop something, and ignores every problem that can be ignored.
	Stopping bool
}

// OpenWriter opens the store for writing.
func (a *Place) OpenWriter(o Opening) (*writing, error) {
	if a.Config.Database() != "" {
		return a.shareDatabase(o)
	}
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

// mayMake returns an error if a missing store must not be created: the command does not create
// stores, or there was one, and an empty store in its place would hide the loss.
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

// lockDir locks PETS_DIR. If that fails, a stop still goes on as long as the store can be
// written: with the store's folder as PETS_DIR, and if that cannot be locked either, without
// this lock. The lock of the store keeps other processes out.
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
		a.Caution(text + ". The stop goes on")
		used := (*dirLockedError)(nil)
		a.unlatched = errors.As(err, &used) // the marker there belongs to the other store
		return nil, nil                     //nolint:nilnil // no lock
	}
	a.Caution(text + ". The stop goes on, with the folder of the store")
	if used := (*dirLockedError)(nil); errors.As(err, &used) && a.StoreFlag == "" && a.Lost == nil {
		a.Lost = domain.Errorf(domain.CodeInvalid, "the store that was meant may be another one: PETS_DIR is in use for the store at %s, which was NOT stopped; name the store with --store", used.by.Store)
	}
	a.Config.Dir = ""
	return a.lockDir(store, id, stopping)
}

// takeDir locks a PETS_DIR that no other user can have put a file into.
func (a *Place) takeDir(dir, store string, id uuid.UUID) (*Lock, error) {
	if _, held, err := believed(dir); held && err != nil {
		return nil, err // it names the holder
	}
	a.closes(dir)
	if err := a.trusts(dir); err != nil {
		return nil, err
	}
	lock, err := LockDir(dir, store, id)
	if err != nil {
		return nil, err
	}
	if err := a.trusts(dir); err != nil { // LockDir may have created it
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// Latch returns the marker file, which keeps the stops that are not recorded yet: in PETS_DIR,
// and in the witness's folder if the witness is of this store. Earlier versions kept it in the
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
	if w != nil && w.Keeper != nil { // otherwise that folder may belong to another store
		l.CopyTo(a.latchCopy())
	}
	return l
}

func (a *Place) latchCopy() string { return filepath.Join(a.Config.WitnessDir(), LatchName) }

// Apart reports whether two folders exist and are different.
func Apart(one, other string) bool {
	a, err1 := os.Stat(one)
	b, err2 := os.Stat(other)
	return err1 == nil && err2 == nil && !os.SameFile(a, b)
}

// Stream returns the stream of the portfolio of this run.
func (a *Place) Stream() string { return commands.Stream(a.Config.Portfolio) }

// failures collects the errors that an engine reports from its background.
type failures struct {
	mu    sync.Mutex
	lines []string
}

func (f *failures) add(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, fmt.Sprintf("%s: %v", what, err))
}

// nowhereError means that there is no server and no store for the command.
type nowhereError struct{ error }

func (e nowhereError) Unwrap() error { return e.error }

// Nowhere marks an error as one about a command without a server and a store.
func Nowhere(err error) error { return nowhereError{err} }

// IsNowhere reports whether an error was marked by Nowhere.
func IsNowhere(err error) bool {
	var e nowhereError
	return errors.As(err, &e)
}

// NoStore returns an error that says that a folder has no store, and where one may be.
func NoStore(dir string) error {
	if below := storeBelow(dir); below != "" {
		return Nowhere(domain.Errorf(domain.CodeNotFound, "there is no store at %s, but one lies in %s: most likely it was moved into a folder that was to be given its name. Move it back to where it belongs; nothing was changed", dir, below))
	}
	return Nowhere(domain.Errorf(domain.CodeNotFound, "there is no store at %s; name the server with --server or PETS_SERVER, or the folder with --store embedded:DIR (pets serve and pets import make one)", dir))
}

// storeBelow returns a store one level below a folder that holds none; "" if there is none. It
// skips folders that cannot be listed, such as the lost+found of a fresh volume.
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

// HasStore reports whether a folder holds a store, sound or damaged. It creates nothing.
func HasStore(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) // let opening the store report the problem
	}
	return holdsStore(entries)
}

func holdsStore(entries []os.DirEntry) bool {
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return strings.HasSuffix(e.Name(), ".seg") || e.Name() == "durable"
	})
}

// SameFolder reports whether two paths name the same existing folder.
func SameFolder(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// Clock returns the function that tells the time.
func (a *Place) Clock() func() time.Time {
	if a.Wall != nil {
		return a.Wall
	}
	return time.Now
}

// Work calls direct with an engine on a store that is open for writing, and closes both. A stop
// goes on even if only part of the store can be folded.
func (a *Place) Work(ctx context.Context, store *writing, stopping bool, direct func(*commands.Engine) error) error {
	watch, err := a.WatchFor(ctx, store.Store, stopping)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	var failures failures
	o := commands.EngineOptions{Options: commands.Options{Now: a.Clock(), StopsOnly: stopping}, Failed: failures.add}
	past := (*history.Keeper)(nil)
	if !stopping { // a stop asks nothing of the past, and must not wait for an index
		past = a.UseHistory(ctx, store, &o.Options)
	}
	engine := a.Engine(store, watch, o)
	err = engine.Load(ctx, nil)
	if err != nil && stopping { // stops are recorded where the history can be folded, and hold everywhere
		a.Caution("the store cannot be folded as a whole; the stop goes on: " + err.Error())
		engine.LoadSound(ctx)
		err = nil
	}
	if err == nil {
		err = direct(engine)
	}
	engine.Close()
	watch.Close()
	a.EndHistory(past)
	for _, line := range failures.lines {
		a.Tell("warning: %v", line)
	}
	return errors.Join(err, store.Close())
}

// OpenHistory follows a store that is open for writing, and keeps the index of its history in
// PETS_DIR. An index that others can have written is made again. It waits for an index that
// cannot be used, as a server does, or gives up. Close it after the engine and before the store.
func (a *Place) OpenHistory(store Store, log *slog.Logger, patient bool) *history.Keeper {
	dir := a.indexDir()
	strange := false
	if _, err := os.Lstat(dir); err == nil {
		a.closes(dir)
		if err := a.trusts(dir); err != nil {
			strange = true
			a.Caution(err.Error() + ". The index of the history there is made again from the log")
		}
	}
	return history.New(store, history.Options{Dir: dir, Log: log, Anew: strange, Patient: patient, Room: a.indexRoom})
}

// indexRoom lets the index leave free what is kept for stops and facts, and as much again.
func (a *Place) indexRoom(bytes uint64) error {
	dir, err := os.Open(a.Config.ServerDir())
	if err != nil {
		return nil //nolint:nilerr // the disk is not the reason for which nothing is written
	}
	defer dir.Close() //nolint:errcheck // nothing was written
	reserve := uint64(max(a.Config.DiskReserve, 0))
	if free, err := embedded.FreeOn(dir); err == nil && free < 2*reserve+bytes {
		return fmt.Errorf("%w: %d bytes are free", history.ErrNoRoom, free)
	}
	return nil
}

func (a *Place) indexDir() string { return filepath.Join(a.Config.ServerDir(), IndexDir) }

// UseHistory opens the index of the history for a writer of a store that is open for writing,
// which is told of it. Close it after the writer. It returns nil if there is none: then every
// history is folded from its first record.
func (a *Place) UseHistory(ctx context.Context, store *writing, o *commands.Options) *history.Keeper {
	if store.Lock == nil {
		return nil
	}
	past := a.OpenHistory(store.Store, nil, false)
	soon, cancel := context.WithTimeout(ctx, sayAfter)
	err := past.Ready(soon)
	cancel()
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		a.Tell("the index of the history is made from the log first, as it is missing or behind")
		err = past.Ready(ctx)
	}
	if err != nil {
		a.Caution("the index of the history cannot be used, so every history is folded from its first record: " + err.Error())
		_ = past.Close() // it is not used
		return nil
	}
	o.History = past
	return past
}

// EndHistory closes the index of the history, if there is one. That it cannot be written is no
// failure of a command: it is made from the log again.
func (a *Place) EndHistory(past *history.Keeper) {
	if past == nil {
		return
	}
	if err := past.Close(); err != nil {
		what, remedy := history.Cause(err)
		a.Caution("the index of the history could not be written, because " + what + "; nothing is lost, and the next start makes what is missing from the log. " + remedy)
	}
}

// sayAfter is how long a person waits without being told what for.
const sayAfter = time.Second

// Index describes the index of the history in PETS_DIR.
type Index struct {
	Dir            string
	There          bool // there is one
	Entries, Bytes uint64
	Amplification  float64 // bytes written for each byte of an entry
	Problem        error   // why it cannot be used
	Lacks          bool    // something that is recorded may have been taken for new
}

// VerifyHistory compares the index of the history with the store, entry by entry, also beside a
// server.
func (a *Place) VerifyHistory(ctx context.Context, store Store) (Index, error) {
	s, there, err := history.VerifyFolder(ctx, a.indexDir(), store, store.UUID())
	all := s.Total()
	x := Index{Dir: a.indexDir(), There: there, Entries: all.Entries, Bytes: all.Bytes, Amplification: all.Amplification()}
	if ctx.Err() == nil { // whatever it is about, the log is not the worse for it
		x.Problem, x.Lacks, err = err, errors.Is(err, index.ErrLacks), nil
	}
	x.There = x.There || x.Problem != nil
	return x, err
}

// Engine returns an engine on a watched store, with the store's marker of stops.
func (a *Place) Engine(store eventstore.Store, w *Watch, o commands.EngineOptions) *commands.Engine {
	o.Checkpoints, o.Latch = w.Checkpoints(), a.Latch(w)
	if a.Measured != nil {
		store = a.Measured(store)
	}
	return commands.NewEngine(store, o)
}
