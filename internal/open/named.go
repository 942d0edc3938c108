package open

import (
	"context"
	"errors"
	"fmt"
	"os"

	"pets/domain"
	"pets/eventstore/embedded"
	"pets/eventstore/esdb"
	"pets/internal/config"
)

// Named is a store that a person names beside that of the settings, to move records from it or
// to it: by embedded:DIR, by a connection string, or by the word PETS_STORE for that of the
// settings, which keeps a password out of the list of processes.
type Named struct {
	Dir string // the folder of an embedded store; "" for a database

	by         string // the flag that names it
	connection string
}

// ofSettings is the word for the store that the settings name.
const ofSettings = "PETS_STORE"

// StoreNamed reads what a flag names. The error does not repeat it, because it may hold a password.
func (a *Place) StoreNamed(flag, value string) (Named, error) {
	c := config.Config{Store: value}
	if value == ofSettings {
		c.Store = a.Config.Store
	}
	n := Named{by: flag, connection: c.Database()}
	if n.connection != "" {
		if _, err := esdb.Parse(n.connection); err != nil {
			return n, domain.Invalid(flag, "%v", err)
		}
		return n, nil
	}
	dir, err := c.StoreDir()
	if err != nil {
		return n, domain.Invalid(flag, "must be embedded:DIR, such as embedded:./pets-data, esdb://… for EventStoreDB, or the word PETS_STORE for the store of the settings")
	}
	n.Dir = dir
	return n, nil
}

// String is the name as it may be shown.
func (n Named) String() string {
	if n.Dir != "" {
		return "embedded:" + n.Dir
	}
	return "esdb://…"
}

// Same reports whether two names are of one folder. Whether two databases are one is told by
// their identities.
func (n Named) Same(other Named) bool { return n.Dir != "" && SameFolder(n.Dir, other.Dir) }

// Read opens the store for reading, beside a running writer. It makes none.
func (n Named) Read(ctx context.Context) (Store, error) {
	if n.Dir == "" {
		store, err := connectTo(ctx, n.by, n.connection, esdb.Options{Existing: true})
		if errors.Is(err, esdb.ErrNoStore) {
			return nil, domain.Errorf(domain.CodeNotFound, "%s: there is no store of pets in this database; nothing was written to it", n.by)
		}
		return store, n.about(err)
	}
	if !HasStore(n.Dir) {
		if below := storeBelow(n.Dir); below != "" {
			return nil, domain.Errorf(domain.CodeNotFound, "%s: there is no store at %s, but one lies in %s", n.by, n.Dir, below)
		}
		return nil, domain.Errorf(domain.CodeNotFound, "%s: there is no store at %s", n.by, n.Dir)
	}
	store, err := ReadFolder(n.Dir)
	return store, n.about(err)
}

// MoveInto opens the store for writing, and makes it if there is none. Nothing else may write
// to it meanwhile: a folder is locked, and keeps free what the settings reserve of its disk.
func (a *Place) MoveInto(ctx context.Context, n Named) (Store, error) {
	if n.Dir == "" {
		store, err := connectTo(ctx, n.by, n.connection, esdb.Options{})
		return store, n.about(err)
	}
	if below := storeBelow(n.Dir); below != "" {
		return nil, domain.Errorf(domain.CodeConflict, "%s: %s is no store, but one lies in %s: name a folder of its own", n.by, n.Dir, below)
	}
	store, err := embedded.Open(n.Dir, embedded.Options{Reserve: uint64(max(a.Config.DiskReserve, 0))})
	if locked := (*embedded.LockedError)(nil); errors.As(err, &locked) {
		return nil, domain.Errorf(domain.CodeUnavailable, "%s: %v: a server, or another command, holds this folder. Nothing is copied into a store in use; stop it first", n.by, locked)
	}
	if err != nil {
		return nil, n.about(err)
	}
	return store, nil
}

// about names the flag in an error.
func (n Named) about(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", n.by, err)
}

// Writer returns the process that writes to the folder of a store, as far as it can be known:
// who writes to a database cannot. 0 is an unknown pid.
func (n Named) Writer() (pid int, writes bool) {
	if n.Dir == "" {
		return 0, false
	}
	return WriterOf(n.Dir)
}

// lastDirOf returns the PETS_DIR of the last server that held the store in a folder, if that was
// another one; its lock there says so.
func lastDirOf(store string) string {
	f, err := openPlain(store, LockName, os.O_RDONLY)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // nothing was written
	return readHolder(f).Dir
}

// Unrecorded counts the stops that were answered and wait in the marker of a store: no stream has
// them. The marker of a database is known if the settings name that database.
func (a *Place) Unrecorded(n Named) (int, error) {
	b := Place{Config: a.Config}
	store, err := a.Config.StoreDir()
	switch {
	case n.Dir == "" && a.Config.Database() != n.connection:
		return 0, nil
	case n.Dir != "" && (err != nil || a.Config.Database() != "" || !SameFolder(store, n.Dir)):
		b.Config.Store, b.Config.Dir, b.Config.Witness = n.String(), lastDirOf(n.Dir), ""
	}
	l := b.Latch(nil)
	l.CopyTo(b.latchCopy())
	all, err := l.Read()
	if err != nil {
		return len(all), fmt.Errorf("the marker of stops beside %s cannot be read: %w", n, err)
	}
	return len(all), nil
}
