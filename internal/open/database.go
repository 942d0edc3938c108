package open

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/esdb"
)

// A store in EventStoreDB is shared: any number of servers and commands have it open, each with
// a PETS_DIR of its own. Only that folder is locked.

// How long is waited for the database. A leader that moves is back within these.
const (
	askPatience    = 2 * time.Second // for one answer of it
	serverPatience = 6 * time.Second // for a command, a read or a start
	stopPatience   = 4 * time.Second // for a stop of the command line, which then is kept in the marker
)

// errOtherDisk is why the free space of a database is not known.
var errOtherDisk = errors.New("the disk of the database is not known")

// Connection is the state of the connection to a database.
type Connection = esdb.Health

// ConnectionOf returns how a store's connection to its database is, or false for one in a folder.
func ConnectionOf(s Store) (c Connection, is bool) {
	d, is := s.(interface{ Connection() Connection })
	if !is {
		return c, false
	}
	return d.Connection(), true
}

// database is a store in EventStoreDB.
type database struct{ *esdb.Store }

// Health implements Store. What is wrong with the connection is no damage: appends and reads
// say it themselves.
func (database) Health() eventstore.Health { return eventstore.Health{Checked: true} }

// Connection says how the connection to the database is.
func (d database) Connection() Connection { return d.Store.Health() }

// Free implements Store.
func (database) Free() (uint64, error) { return 0, errOtherDisk }

// Verify implements Store: it reads every record, and the numbers of each stream have to be
// without gaps. The database checks its own files.
func (d database) Verify(ctx context.Context, progress func(done, total int64)) (eventstore.Report, error) {
	r := eventstore.Report{}
	streams, err := d.Streams(ctx)
	if err != nil {
		return r, err
	}
	total := int64(0)
	for _, stream := range streams {
		head, err := d.Head(ctx, stream)
		if err != nil {
			return r, err
		}
		total += int64(head) + 1 //nolint:gosec // far below 2^63
	}
	for _, stream := range streams {
		err := eventstore.Walk(ctx, d, stream, 0, func(rec eventstore.Record) error {
			r.Records++
			r.Bytes += uint64(len(rec.Type) + len(rec.Metadata) + len(rec.Data))
			if progress != nil && r.Records%1024 == 0 {
				progress(int64(r.Records), total) //nolint:gosec // far below 2^63
			}
			return nil
		})
		if err != nil {
			return r, err
		}
		r.Streams++
	}
	return r, nil
}

// connect opens the database of PETS_STORE.
func (a *Place) connect(o esdb.Options) (Store, error) {
	waits := time.AfterFunc(time.Second, func() {
		a.Tell("waiting for the EventStoreDB of PETS_STORE")
	})
	defer waits.Stop()
	return connectTo(context.Background(), "PETS_STORE", a.Config.Database(), o)
}

// connectTo opens a database, which a setting or a flag names.
func connectTo(ctx context.Context, by, connection string, o esdb.Options) (Store, error) {
	address, err := esdb.Parse(connection)
	if err != nil {
		return nil, domain.Invalid(by, "%v", err)
	}
	store, err := esdb.Open(ctx, address, o)
	if err != nil {
		return nil, err
	}
	return database{store}, nil
}

// shareDatabase opens the database for writing, and locks PETS_DIR.
func (a *Place) shareDatabase(o Opening) (*writing, error) {
	dir := a.Config.ServerDir()
	if HasStore(dir) {
		return nil, domain.Invalid("PETS_DIR", "(%s) holds an embedded store, and PETS_STORE names an EventStoreDB: set PETS_DIR to a folder of its own, where a server keeps its lock, its witness and its caches", dir)
	}
	options := esdb.Options{Timeout: askPatience, Patience: serverPatience, Existing: !o.Making}
	if o.Stopping {
		options.Patience = stopPatience
	}
	store, err := a.connect(options)
	switch {
	case errors.Is(err, esdb.ErrNoStore):
		return nil, Nowhere(domain.Errorf(domain.CodeNotFound, "there is no store of pets in the EventStoreDB of PETS_STORE, and nothing was written to it; the first pets serve or pets import makes one"))
	case domain.CodeOf(err) == domain.CodeInvalid: // nothing says which database was meant
		return nil, err
	case err != nil:
		return nil, &Unopened{err}
	}
	lock, err := a.takeDir(dir, dir, store.UUID())
	if other := (*otherDatabaseError)(nil); errors.As(err, &other) && o.Stopping {
		a.Caution(err.Error() + ". The stop goes on")
		a.unlatched = true // the marker there belongs to the other store
		return &writing{store, nil}, nil
	}
	if held := (*dirLockedError)(nil); errors.As(err, &held) {
		return nil, errors.Join(&LockedError{Dir: dir, PID: held.by.PID}, store.Close())
	}
	if err != nil && o.Stopping {
		a.Caution(err.Error() + ". The stop goes on")
		a.unlatched, lock, err = true, nil, nil
	}
	if err == nil && lock != nil {
		lock.By.Database = true
		err = lock.write()
	}
	if err != nil {
		return nil, errors.Join(err, closed(lock), store.Close())
	}
	return &writing{store, lock}, nil
}

func closed(l *Lock) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

// identify returns the identity of the store in a folder, or uuid.Nil if it is not known: that of a
// database that cannot be reached is not.
func (a *Place) identify(dir string) uuid.UUID {
	if a.Config.Database() != "" {
		return uuid.Nil
	}
	return identityIn(dir)
}

// Unheld names the store of this run where no server of this machine holds it.
func (a *Place) Unheld(dir string) string {
	if a.Config.Database() != "" {
		return "the EventStoreDB of PETS_STORE, which other servers may share"
	}
	return "the folder " + dir + ", which no server holds"
}

// HasStoreAt reports whether there is a store for this run: in a folder, or in a database, which a
// server creates when it first writes.
func (a *Place) HasStoreAt(dir string) bool { return a.Config.Database() != "" || HasStore(dir) }
