package esdb

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/storetest"
	"pets/internal/esdbtest"
)

// quick are options under which a request that hangs is given up soon.
func quick() Options {
	return Options{Timeout: 2 * time.Second, Patience: time.Minute}
}

// hasten makes an open store give up soon. Only what has to fail is done then.
func hasten(s *Store) (slowDown func()) {
	before := s.options
	set := func(o Options) { s.options, s.link.timeout = o, o.Timeout }
	set(Options{Timeout: 300 * time.Millisecond, Patience: 800 * time.Millisecond, prefix: before.prefix})
	return func() { set(before) }
}

// requireOnce fails unless a stream holds exactly the records.
func requireOnce(t *testing.T, s *Store, stream string, want []eventstore.Proposed) {
	t.Helper()
	got := storetest.All(t, s.ReadStream(t.Context(), stream, 0))
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, uint64(i), got[i].Revision)
		require.Equal(t, want[i].ID, got[i].ID)
		require.Equal(t, want[i].Data, got[i].Data)
		require.True(t, want[i].Time.Equal(got[i].Time))
	}
}

// "A timeout after sending is ambiguous: read the stream and look for our ids before
// answering, then retry the same ids at the same revision." Whatever happens to a request, the
// append is acknowledged, and its records are there once.
func TestAnAppendSurvivesEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		fault      esdbtest.Fault
		found      uint64
		retried    uint64
		reconnects uint64
	}{
		"not the leader":           {fault: esdbtest.Fault{Kind: esdbtest.NotLeader}},
		"not the leader, often":    {fault: esdbtest.Fault{Kind: esdbtest.NotLeader, Times: 2 * refusalsAllowed}, reconnects: 2},
		"not ready":                {fault: esdbtest.Fault{Kind: esdbtest.NotReady}, retried: 1, reconnects: 1},
		"killed before the write":  {fault: esdbtest.Fault{Kind: esdbtest.Kill}, retried: 1, reconnects: 1},
		"killed after the write":   {fault: esdbtest.Fault{Kind: esdbtest.KillAfterWrite}, found: 1, reconnects: 1},
		"hangs before the write":   {fault: esdbtest.Fault{Kind: esdbtest.Hang}, retried: 1},
		"hangs after the write":    {fault: esdbtest.Fault{Kind: esdbtest.HangAfterWrite}, found: 1},
		"slow to answer":           {fault: esdbtest.Fault{Kind: esdbtest.SlowAnswer, Delay: time.Minute}, found: 1},
		"aborted before the write": {fault: esdbtest.Fault{Kind: esdbtest.TimeoutBeforeWrite}, retried: 1},
		"aborted after the write":  {fault: esdbtest.Fault{Kind: esdbtest.TimeoutAfterWrite}, found: 1},
		"a conflict that is none":  {fault: esdbtest.Fault{Kind: esdbtest.Conflict}},
	} {
		t.Run(name, func(t *testing.T) {
			server := esdbtest.Start(t, esdbtest.Options{})
			s := open(t, server.URL(), quick())
			all := storetest.Propose("a", 0, 7)
			storetest.Must(t, s, "s", eventstore.NoStream, all[:2])
			fault := server.Inject(c.fault)
			got := storetest.Must(t, s, "s", eventstore.At(1), all[2:5])
			require.Positive(t, fault.Hits())
			require.Equal(t, uint64(2), got.First)
			require.Equal(t, uint64(4), got.Last)
			require.False(t, got.Idempotent, "these records were written by this call")
			storetest.Must(t, s, "s", eventstore.At(4), all[5:])
			requireOnce(t, s, "s", all)
			require.Equal(t, storetest.All(t, s.ReadStream(t.Context(), "s", 2))[0].Position, got.Position)
			h := s.Health()
			require.Equal(t, Ambiguous{Found: c.found, Retried: c.retried}, h.Ambiguous)
			require.Equal(t, c.reconnects, h.Reconnects)
			require.Equal(t, uint64(3), h.Appends.Count)
		})
	}
}

// An append that was not answered, and in whose place others have appended, can never be written:
// that is a conflict, and no doubt.
func TestAnAmbiguousAppendThatWasOvertaken(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s, other := open(t, server.URL(), quick()), open(t, server.URL(), quick())
	hang := server.Inject(esdbtest.Fault{Kind: esdbtest.Hang, Stream: "s"})
	failed := make(chan error, 1)
	go func() {
		_, err := s.Append(context.Background(), "s", eventstore.NoStream, storetest.Propose("a", 0, 2))
		failed <- err
	}()
	<-hang.Hit()
	storetest.Must(t, other, "s", eventstore.NoStream, storetest.Propose("b", 0, 3))
	var conflict *eventstore.Conflict
	require.ErrorAs(t, <-failed, &conflict)
	require.Equal(t, eventstore.Conflict{Stream: "s", Expected: eventstore.NoStream, Actual: 2}, *conflict)
	require.Equal(t, Ambiguous{Overtaken: 1}, s.Health().Ambiguous)
	requireOnce(t, s, "s", storetest.Propose("b", 0, 3))
}

// An append is given up when the patience or the context ends. Then it is Ambiguous if it was
// sent, and if not, Unavailable or the error of the context.
func TestAnAppendThatIsGivenUp(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{})
	records := storetest.Propose("a", 0, 3)
	storetest.Must(t, s, "s", eventstore.NoStream, records[:1])
	slowDown := hasten(s)

	hang := server.Inject(esdbtest.Fault{Kind: esdbtest.Hang, Times: -1})
	var ambiguous *eventstore.Ambiguous
	_, err := s.Append(t.Context(), "s", eventstore.At(0), records[1:])
	require.ErrorAs(t, err, &ambiguous)
	require.ErrorContains(t, err, "no answer in time")

	ctx, cancel := context.WithCancel(t.Context())
	for len(hang.Hit()) > 0 {
		<-hang.Hit()
	}
	go func() {
		<-hang.Hit()
		cancel()
	}()
	_, err = s.Append(ctx, "s", eventstore.At(0), records[1:])
	require.ErrorAs(t, err, &ambiguous)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, uint64(2), s.Health().Ambiguous.GivenUp)

	hang.Remove()
	server.Stop()
	_, err = s.Append(t.Context(), "t", eventstore.NoStream, records)
	var unavailable *eventstore.Unavailable
	require.ErrorAs(t, err, &unavailable)
	require.False(t, unavailable.Poisoned)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Append(ctx, "t", eventstore.NoStream, records)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, uint64(2), s.Health().Ambiguous.GivenUp, "nothing was sent")

	require.NoError(t, server.Restart())
	slowDown()
	storetest.Must(t, s, "s", eventstore.At(0), records[1:])
	requireOnce(t, s, "s", records)
}

// A call whose append is not answered may be followed by one with the same ids and other content.
// What is stored are the records of the first: the second says so by Idempotent, even if the
// database answers that it was written.
func TestALateWriteIsNotTakenForALaterAppend(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), quick())
	first, second := storetest.Propose("a", 0, 2), storetest.Propose("a", 0, 2)
	for i := range second {
		second[i].Time = second[i].Time.Add(time.Hour)
	}
	hang := server.Inject(esdbtest.Fault{Kind: esdbtest.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-hang.Hit()
		cancel()
	}()
	_, err := s.Append(ctx, "s", eventstore.NoStream, first)
	var ambiguous *eventstore.Ambiguous
	require.ErrorAs(t, err, &ambiguous)
	// The first write arrives while the second is on its way.
	events, _ := eventsOf(first)
	server.Inject(esdbtest.Fault{Kind: esdbtest.Hook, Do: func() {
		for _, e := range events {
			server.Cluster().Write("s", esdbtest.Event{ID: e.EventID, Type: e.EventType, Data: e.Data, Metadata: e.Metadata})
		}
	}})
	got, err := s.Append(t.Context(), "s", eventstore.NoStream, second)
	require.NoError(t, err)
	require.True(t, got.Idempotent)
	requireOnce(t, s, "s", first)
}

// A conflict has the revision that the stream has, whatever the client says of it.
func TestATrueConflictOnTheWay(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s, other := open(t, server.URL(), Options{}), open(t, server.URL(), Options{})
	storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 1))
	server.Inject(esdbtest.Fault{Kind: esdbtest.Hook, Do: func() {
		storetest.Must(t, other, "s", eventstore.At(0), storetest.Propose("b", 0, 4))
	}})
	_, err := s.Append(t.Context(), "s", eventstore.At(0), storetest.Propose("a", 1, 1))
	var conflict *eventstore.Conflict
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, eventstore.Conflict{Stream: "s", Expected: 0, Actual: 4}, *conflict)
}

// "Never Any or StreamExists": an append to a stream that this store has not seen, and that
// another changes meanwhile, is decided by the revision alone.
func TestTwoStoresNeverBothWin(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	stores := []*Store{open(t, server.URL(), Options{}), open(t, server.URL(), Options{}), open(t, server.URL(), Options{})}
	const rounds = 20
	for n := range rounds {
		var group sync.WaitGroup
		wins := make([]bool, len(stores))
		for i, s := range stores {
			group.Go(func() {
				_, err := s.Append(t.Context(), "s", eventstore.Expected(n-1), storetest.Propose(fmt.Sprint(i), n, 1))
				wins[i] = err == nil
			})
		}
		group.Wait()
		won := 0
		for _, w := range wins {
			if w {
				won++
			}
		}
		require.Equal(t, 1, won)
	}
	require.Len(t, storetest.All(t, stores[0].ReadStream(t.Context(), "s", 0)), rounds)
}

// "An oversize append fails as code 0 EOF": it is never sent.
func TestATooLargeAppendIsNotSent(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{})
	before := server.Calls(esdbtest.CallAppend)
	records := storetest.Propose("a", 0, 1)
	records[0].Data = make([]byte, maxBytes)
	_, err := s.Append(t.Context(), "s", eventstore.NoStream, records)
	var large *eventstore.TooLarge
	require.ErrorAs(t, err, &large)
	// Binary metadata is stored in a third more bytes.
	records[0].Data, records[0].Metadata = nil, make([]byte, maxBytes-1000)
	_, err = s.Append(t.Context(), "s", eventstore.NoStream, records)
	require.ErrorAs(t, err, &large)
	require.Equal(t, maxWire, large.Limit)
	require.Equal(t, before, server.Calls(esdbtest.CallAppend))
}

// A database that accepts less than it does by default is an error in the end, and no
// acknowledgement.
func TestADatabaseThatAcceptsLess(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{MaxAppendSize: 10_000})
	s := open(t, server.URL(), Options{})
	records := storetest.Propose("a", 0, 1)
	records[0].Data = make([]byte, 20_000)
	slowDown := hasten(s)
	_, err := s.Append(t.Context(), "s", eventstore.NoStream, records)
	require.Error(t, err)
	slowDown()
	_, err = s.Head(t.Context(), "s")
	var missing *eventstore.NotFound
	require.ErrorAs(t, err, &missing)
}

// Names and types that the database reserves or cannot hold are refused.
func TestReservedNames(t *testing.T) {
	s := open(t, esdbtest.Start(t, esdbtest.Options{}).URL(), Options{})
	var invalid *eventstore.Invalid
	var missing *eventstore.NotFound
	for _, name := range []string{"$all", "$$s", identityStream, "\xff"} {
		_, err := s.Append(t.Context(), name, eventstore.NoStream, storetest.Propose("a", 0, 1))
		require.ErrorAs(t, err, &invalid)
		_, err = s.Head(t.Context(), name)
		require.ErrorAs(t, err, &missing)
		_, err = storetest.Collect(t, s.ReadStream(t.Context(), name, 0))
		require.ErrorAs(t, err, &missing)
	}
	records := storetest.Propose("a", 0, 1)
	records[0].Type = "$metadata"
	_, err := s.Append(t.Context(), "s", eventstore.NoStream, records)
	require.ErrorAs(t, err, &invalid)
}

// raw is a client beside the store, for what the store never does.
func raw(t *testing.T, server *esdbtest.Server) *esdb.Client {
	t.Helper()
	a, err := Parse(server.URL())
	require.NoError(t, err)
	config := a.reveal()
	c, err := esdb.NewClient(&config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// foreign is an event of another program.
func foreign() esdbtest.Event {
	return esdbtest.Event{ID: uuid.New(), Type: "something", Data: []byte(`{}`)}
}
