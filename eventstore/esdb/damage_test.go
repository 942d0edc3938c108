package esdb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/storetest"
	"pets/internal/esdbtest"
)

// setsMetadata is the event that sets the metadata of a stream.
func setsMetadata(json string) esdbtest.Event {
	return esdbtest.Event{ID: uuid.New(), Type: "$metadata", Data: []byte(json)}
}

// requireDamaged fails unless err is about the stream.
func requireDamaged(t *testing.T, err error, stream, reason string) {
	t.Helper()
	var unavailable *eventstore.Unavailable
	require.ErrorAs(t, err, &unavailable)
	require.False(t, unavailable.Poisoned)
	var found *Damaged
	require.ErrorAs(t, err, &found)
	require.Equal(t, stream, found.Stream)
	require.Contains(t, found.Reason, reason)
	require.Contains(t, eventstore.TroubleOf(err).Advice, "backup")
}

// "A stream that has $maxAge or $maxCount, or was truncated, deleted or tombstoned: a clear
// error"; "records written by another program: refuse rather than guess."
func TestADamagedStreamIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil    func(*esdbtest.Server, *esdb.Client) error
		reason   string
		headFine bool // its last record alone does not show it
	}{
		"truncated": {func(s *esdbtest.Server, _ *esdb.Client) error {
			s.Cluster().Write("$$s", setsMetadata(`{"$tb":2}`))
			return nil
		}, reasonTruncated, true},
		"with a maximum count": {func(s *esdbtest.Server, _ *esdb.Client) error {
			s.Cluster().Write("$$s", setsMetadata(`{"$maxCount":100}`))
			return nil
		}, reasonTruncated, true},
		"with a maximum age": {func(s *esdbtest.Server, _ *esdb.Client) error {
			s.Cluster().Write("$$s", setsMetadata(`{"$maxAge":100000}`))
			return nil
		}, reasonTruncated, true},
		"with metadata that cannot be read": {func(s *esdbtest.Server, _ *esdb.Client) error {
			s.Cluster().Write("$$s", setsMetadata(`[`))
			return nil
		}, reasonTruncated, true},
		"deleted": {func(_ *esdbtest.Server, c *esdb.Client) error {
			_, err := c.DeleteStream(context.Background(), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}})
			return err
		}, reasonTruncated, false},
		"tombstoned": {func(_ *esdbtest.Server, c *esdb.Client) error {
			_, err := c.TombstoneStream(context.Background(), "s", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
			return err
		}, reasonDeleted, false},
		"written to by another program": {func(s *esdbtest.Server, _ *esdb.Client) error {
			s.Cluster().Write("s", foreign())
			return nil
		}, reasonForeign, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := esdbtest.Start(t, esdbtest.Options{})
			s := open(t, server.URL(), Options{})
			storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 5))
			live := make(chan error, 1)
			began := make(chan struct{}, 100)
			go func() {
				for _, err := range s.SubscribeAll(context.Background(), eventstore.Position{}) {
					if err != nil {
						live <- err
						return
					}
					began <- struct{}{}
				}
			}()
			<-began
			require.NoError(t, c.spoil(server, raw(t, server)))
			requireDamaged(t, <-live, "s", c.reason)

			requireRefused(t, open(t, server.URL(), Options{}), c.reason, c.headFine)
		})
	}
}

// requireRefused fails unless the stream s is refused in every way by which it can be read.
func requireRefused(t *testing.T, fresh *Store, reason string, headFine bool) {
	t.Helper()
	for which, seq := range map[string]iter.Seq2[eventstore.Record, error]{
		"ReadStream": fresh.ReadStream(t.Context(), "s", 0), "from 3": fresh.ReadStream(t.Context(), "s", 3),
		"SubscribeStream": fresh.SubscribeStream(t.Context(), "s", 0), "ReadAll": fresh.ReadAll(t.Context(), eventstore.Position{}),
	} {
		var err error
		for _, err = range seq {
			if err != nil {
				break
			}
		}
		require.Error(t, err, which)
		requireDamaged(t, err, "s", reason)
	}
	_, err := fresh.Streams(t.Context())
	requireDamaged(t, err, "s", reason)
	head, err := fresh.Head(t.Context(), "s")
	if headFine {
		require.NoError(t, err)
		require.Equal(t, uint64(4), head)
		return
	}
	requireDamaged(t, err, "s", reason)
	_, err = fresh.Append(t.Context(), "s", eventstore.NoStream, storetest.Propose("b", 0, 1))
	requireDamaged(t, err, "s", reason)
}

// A mistake in the metadata that was corrected before anything was lost is none any more.
func TestMetadataThatWasCorrected(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{})
	storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 5))
	server.Cluster().Write("$$s", setsMetadata(`{"$maxCount":100}`))
	_, err := storetest.Collect(t, s.ReadAll(t.Context(), eventstore.Position{}))
	requireDamaged(t, err, "s", reasonTruncated)
	server.Cluster().Write("$$s", setsMetadata(`{"$acl":{"$w":"pets"}}`))
	require.Len(t, storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{})), 5)
	requireOnce(t, s, "s", storetest.Propose("a", 0, 5))
	names, err := s.Streams(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"s"}, names)
}

// Streams that another program began are left out of lists, and refused by name.
func TestStreamsOfAnotherProgram(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{})
	server.Cluster().Write("theirs", foreign())
	storetest.Must(t, s, "ours", eventstore.NoStream, storetest.Propose("a", 0, 2))
	server.Cluster().Write("theirs", foreign(), foreign())
	server.Cluster().Write("$$theirs", setsMetadata(`{"$maxCount":1}`))
	server.Cluster().Write("$projections-x", foreign())

	all := storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{}))
	require.Len(t, all, 2)
	// From the middle, where their first event is not seen.
	require.Len(t, storetest.All(t, open(t, server.URL(), Options{}).ReadAll(t.Context(), all[0].Position)), 1)
	names, err := s.Streams(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"ours"}, names)
	_, err = storetest.Collect(t, s.ReadStream(t.Context(), "theirs", 0))
	require.Error(t, err)
	_, err = s.Head(t.Context(), "theirs")
	requireDamaged(t, err, "theirs", reasonForeign)
	_, err = s.Append(t.Context(), "theirs", eventstore.NoStream, storetest.Propose("b", 0, 1))
	requireDamaged(t, err, "theirs", reasonForeign)
	require.Len(t, server.Cluster().Events("theirs"), 3)
}

// All stores on a database have one identity, in whatever order they open, and it is no record.
func TestIdentity(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	server.Inject(esdbtest.Fault{Kind: esdbtest.KillAfterWrite})
	stores := make([]*Store, 8)
	var group sync.WaitGroup
	for i := range stores {
		group.Go(func() { stores[i] = open(t, server.URL(), Options{}) })
	}
	group.Wait()
	require.NotEqual(t, uuid.Nil, stores[0].UUID())
	for _, s := range stores {
		require.Equal(t, stores[0].UUID(), s.UUID())
	}
	require.Len(t, server.Cluster().Events(identityStream), 1)
	names, err := stores[0].Streams(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	require.Empty(t, storetest.All(t, stores[0].ReadAll(t.Context(), eventstore.Position{})))

	other := esdbtest.Start(t, esdbtest.Options{})
	require.NotEqual(t, stores[0].UUID(), open(t, other.URL(), Options{}).UUID())
}

// A database whose identity is not readable is not opened, and is not given another one.
func TestADamagedIdentity(t *testing.T) {
	for name, spoil := range map[string]func(*esdbtest.Server, *esdb.Client) error{
		"foreign": func(s *esdbtest.Server, _ *esdb.Client) error {
			s.Cluster().Write(identityStream, foreign())
			return nil
		},
		"truncated": func(s *esdbtest.Server, c *esdb.Client) error {
			s.Cluster().Write(identityStream, foreign())
			_, err := c.DeleteStream(context.Background(), identityStream, esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}})
			return err
		},
		"tombstoned": func(_ *esdbtest.Server, c *esdb.Client) error {
			_, err := c.TombstoneStream(context.Background(), identityStream, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := esdbtest.Start(t, esdbtest.Options{})
			require.NoError(t, spoil(server, raw(t, server)))
			a, err := Parse(server.URL())
			require.NoError(t, err)
			before := server.Calls(esdbtest.CallAppend)
			_, err = Open(t.Context(), a, Options{})
			var found *Damaged
			require.True(t, errors.As(err, &found), fmt.Sprint(err))
			require.Equal(t, before, server.Calls(esdbtest.CallAppend))
		})
	}
}
