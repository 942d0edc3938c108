// Package esdb keeps streams of records in EventStoreDB, for several servers on
// one ledger. It owns an [eventstore.Store] on the official client (v4), the
// connection to the database, and how both recover.
//
// It refuses to guess. Appends have explicit revisions only. One that was sent and
// not answered is looked up in the stream before anything is said about it. A
// stream must have every event from revision 0 on, each written by this package:
// an event without our envelope, a stream that was truncated, deleted, or has a
// maximum age or count, is an error ([Damaged]). Requests are answered by the
// leader only. Errors, logs and values show neither hosts nor credentials.
//
// The database belongs to one ledger. Its system streams ($…) are not read as
// records. A stream whose first event has no envelope belongs to another program:
// Streams, ReadAll and SubscribeAll leave it out, and reading it by name is an
// error. The stream pets-store holds the identity of the store ([Store.UUID]) and
// is no stream of records.
//
// An append has at most 896 KiB and 10,000 records ([Store.Limits]), which stays
// below the 1 MiB that the database accepts by default, with what is stored beside
// a record. The limit of the database must not be set lower.
//
// The client ends the process if an event has no time of creation; every version
// of the database sends one.
package esdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"pets/eventstore"
)

// Options of a store. The zero value is usable.
type Options struct {
	// Timeout is how long one request to the database may take; 0: 5 s.
	Timeout time.Duration
	// Patience is how long an operation goes on, with as many requests as it needs,
	// if its context does not end it before; 0: 20 s. Subscriptions go on until
	// their context ends.
	Patience time.Duration
	// Existing makes it an error ([ErrNoStore]) if the database has no identity yet:
	// nothing is written to it.
	Existing bool
	// Log gets what happens to the connection; nil discards it.
	Log *slog.Logger

	// prefix comes before every name in the database, so that tests can share one.
	prefix string
}

const (
	defaultTimeout  = 5 * time.Second
	defaultPatience = 20 * time.Second
)

// Limits of an append. maxWire is what the database counts: the data, the user
// metadata and twice the type.
const (
	maxBytes   = 896 << 10
	maxRecords = 10_000
	maxWire    = 1 << 20
)

// ErrNoStore is the error of a database that never was a store of pets.
var ErrNoStore = errors.New("esdb: the database has no store of pets")

// identityStream holds the identity of the store.
const identityStream = "pets-store"

// Store is an [eventstore.Store] in EventStoreDB.
type Store struct {
	options Options
	link    *link
	health  *health
	uuid    uuid.UUID
	names   names

	stopping context.Context // ends when Close begins
	stop     context.CancelFunc
	once     sync.Once
	gate     sync.RWMutex   // held for reading to begin an append
	appends  sync.WaitGroup // those that have begun

	mu      sync.Mutex
	streams map[string]*stream
}

var _ eventstore.Store = (*Store)(nil)

// Open connects to a database and reads its identity, which it writes first if
// the database is new. If the database cannot be reached for Options.Patience, or
// the context ends, that is an error.
func Open(ctx context.Context, a Address, o Options) (*Store, error) {
	if a.reveal == nil {
		return nil, errors.New("esdb: the address is empty")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{options: o, health: newHealth(), streams: map[string]*stream{}}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.names.origins, s.names.turn = map[string]bool{}, make(chan struct{}, 1)
	s.names.turn <- struct{}{}
	s.link = newLink(a, o, s.health)
	id, err := s.identity(ctx)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	s.uuid = id
	return s, nil
}

// Format implements fmt.Formatter: nothing of the store is shown.
func (*Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue implements slog.LogValuer.
func (*Store) LogValue() slog.Value { return slog.StringValue(hidden) }

// UUID identifies the database. All servers on it see the same.
func (s *Store) UUID() uuid.UUID { return s.uuid }

// Limits returns what the store accepts in one append.
func (*Store) Limits() eventstore.Limits {
	return eventstore.Limits{Bytes: maxBytes, Records: maxRecords}
}

// usable returns an error if the store is closed or the context has ended.
func (s *Store) usable(ctx context.Context) error {
	if s.stopping.Err() != nil {
		return closedError
	}
	return ctx.Err()
}

// Close implements [eventstore.Store]. It waits for the appends that were sent, for
// as long as a request may take, so that each has its outcome.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.gate.Lock()
		s.stop()
		s.gate.Unlock()
		settled := make(chan struct{})
		go func() {
			s.appends.Wait()
			close(settled)
		}()
		timer := time.NewTimer(s.options.Timeout)
		defer timer.Stop()
		select {
		case <-settled:
		case <-timer.C:
		}
		s.link.shut()
		<-settled
	})
	return nil
}

// begin registers an append, for which Close waits.
func (s *Store) begin(ctx context.Context) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.appends.Add(1)
	return nil
}

// wire returns the name of a stream in the database.
func (s *Store) wire(name string) string { return s.options.prefix + name }

// own returns the name of a stream from that in the database. It reports false
// for streams that can hold no records: those of the system, of the identity, and
// outside the prefix of a test.
func (s *Store) own(wire string) (string, bool) {
	name, ok := strings.CutPrefix(wire, s.options.prefix)
	return name, ok && possible(name)
}

// possible reports a name that a stream of records may have.
func possible(name string) bool {
	return name != "" && len(name) <= eventstore.MaxStreamName && name[0] != '$' && name != identityStream && utf8.ValidString(name)
}

// check returns the error of an append that is never sent.
func (s *Store) check(stream string, expected eventstore.Expected, records []eventstore.Proposed) error {
	if err := s.Limits().Check(stream, expected, records); err != nil {
		return err
	}
	if !possible(stream) {
		return &eventstore.Invalid{Reason: "the name of the stream is reserved or not UTF-8"}
	}
	for i := range records {
		if records[i].Type[0] == '$' {
			return &eventstore.Invalid{Reason: fmt.Sprintf("the type of record %d is reserved: it begins with $", i)}
		}
	}
	return nil
}
