package esdb

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/storetest"
	"pets/internal/esdbtest"
)

// "A dropped subscription does not resume → resume after the last record seen": subscriptions and
// reads are cut off in every way, and have every record once, in order.
func TestSubscriptionsResume(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{Timeout: time.Second, Patience: time.Minute})
	const all = 200
	var followers sync.WaitGroup
	got := make([][]eventstore.Record, 4)
	for i, seq := range []iter.Seq2[eventstore.Record, error]{
		s.SubscribeStream(t.Context(), "s", 0), s.SubscribeAll(t.Context(), eventstore.Position{}),
		s.SubscribeStream(t.Context(), "s", 0), s.SubscribeAll(t.Context(), eventstore.Position{}),
	} {
		followers.Go(func() { got[i] = storetest.Take(t, seq, all) })
	}
	server.Inject(esdbtest.Fault{Kind: esdbtest.KillAfterEvents, Call: esdbtest.CallSubscribe, Events: 3, Times: 10})
	server.Inject(esdbtest.Fault{Kind: esdbtest.Hang, Call: esdbtest.CallSubscribe, Skip: 12, Times: 2})
	for n := 0; n < all; n += 4 {
		storetest.Must(t, s, "s", eventstore.Expected(n-1), storetest.Propose("a", n, 4))
		switch n % 40 {
		case 8:
			server.DropSubscriptions()
		case 16:
			server.CutConnections()
		case 24:
			server.Stop()
			require.NoError(t, server.Restart())
		}
	}
	followers.Wait()
	want := storetest.Propose("a", 0, all)
	for _, records := range got {
		for n, r := range records {
			require.Equal(t, uint64(n), r.Revision)
			require.Equal(t, want[n].ID, r.ID)
		}
	}
}

// A subscription begins, and goes on, while the database is down.
func TestASubscriptionWaitsForTheDatabase(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s, writer := open(t, server.URL(), quick()), open(t, server.URL(), quick())
	storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 1))
	hasten(s)
	server.Stop()
	got := make(chan []eventstore.Record, 2)
	go func() { got <- storetest.Take(t, s.SubscribeStream(context.Background(), "s", 0), 2) }()
	go func() { got <- storetest.Take(t, s.SubscribeAll(context.Background(), eventstore.Position{}), 2) }()
	// Longer than the patience of a call.
	for range 3 {
		_, err := s.Head(t.Context(), "s")
		require.Error(t, err)
	}
	require.Empty(t, got)
	require.NoError(t, server.Restart())
	storetest.Must(t, writer, "s", eventstore.At(0), storetest.Propose("a", 1, 1))
	require.Len(t, <-got, 2)
	require.Len(t, <-got, 2)
}

// A read that breaks off goes on where it was; one that cannot go on ends with an error, never
// with fewer records.
func TestAReadThatBreaksOff(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{Timeout: time.Second, Patience: time.Minute})
	all := storetest.Propose("a", 0, 50)
	storetest.Must(t, s, "s", eventstore.NoStream, all)
	for _, kind := range []esdbtest.Kind{esdbtest.KillAfterEvents, esdbtest.Kill, esdbtest.NotLeader, esdbtest.NotReady, esdbtest.Hang} {
		cut := server.Inject(esdbtest.Fault{Kind: kind, Call: esdbtest.CallRead, Stream: "s", Events: 7, Times: 2})
		requireOnce(t, s, "s", all)
		require.Equal(t, 2, cut.Hits())
		cut.Remove()
	}
	cut := server.Inject(esdbtest.Fault{Kind: esdbtest.KillAfterEvents, Call: esdbtest.CallRead, Events: 5, Times: 3})
	require.Len(t, storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{})), 50)
	require.Equal(t, 3, cut.Hits())

	hasty := open(t, server.URL(), Options{})
	hasten(hasty)
	server.Inject(esdbtest.Fault{Kind: esdbtest.Hang, Call: esdbtest.CallRead, Times: -1})
	for _, seq := range []iter.Seq2[eventstore.Record, error]{
		hasty.ReadStream(t.Context(), "s", 0), hasty.ReadAll(t.Context(), eventstore.Position{}),
	} {
		records, err := storetest.Collect(t, seq)
		require.Empty(t, records)
		var unavailable *eventstore.Unavailable
		require.ErrorAs(t, err, &unavailable)
	}
	_, err := hasty.Streams(t.Context())
	require.Error(t, err)
}

// The list of streams is kept: a second one reads only what came since.
func TestStreamsReadOnlyWhatIsNew(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{})
	for i := range 5 {
		storetest.Must(t, s, fmt.Sprint("s", i), eventstore.NoStream, storetest.Propose("a", 0, 10))
	}
	names, err := s.Streams(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"s0", "s1", "s2", "s3", "s4"}, names)
	before := s.names.scanned.after
	storetest.Must(t, s, "new", eventstore.NoStream, storetest.Propose("a", 0, 1))
	names, err = s.Streams(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"new", "s0", "s1", "s2", "s3", "s4"}, names)
	require.Positive(t, s.names.scanned.after.Compare(before))
	require.Equal(t, s.names.scanned.next["new"], uint64(1))
}
