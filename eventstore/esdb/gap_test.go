package esdb

import (
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/storetest"
)

// eventAt is an event of the stream s as the client returns it.
func eventAt(revision uint64) *esdb.RecordedEvent {
	p := storetest.Propose("a", int(revision), 1)[0]
	return &esdb.RecordedEvent{
		EventID: p.ID, EventType: p.Type, StreamID: "s", EventNumber: revision, Data: p.Data, UserMetadata: seal(&p),
		Position: esdb.Position{Commit: 1000 + revision, Prepare: 1000 + revision},
	}
}

// "Revisions have to start at 0 without gaps": what was scavenged away is missing from all events
// without a word of the database.
func TestAGapInAllEventsIsDamage(t *testing.T) {
	s := open(t, startOne(t).URL(), Options{})
	whole := s.allAfter(eventstore.Position{}, false)
	_, _, err := whole.take(t.Context(), eventAt(1))
	requireDamaged(t, err, "s", reasonTruncated)

	part := s.allAfter(eventstore.Position{Commit: 7, Prepare: 7}, false)
	for _, revision := range []uint64{3, 4} { // it may begin anywhere, and then goes on
		r, ok, err := part.take(t.Context(), eventAt(revision))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, revision, r.Revision)
	}
	_, ok, err := part.take(t.Context(), eventAt(4))
	require.NoError(t, err)
	require.False(t, ok, "a repeat is left out")
	_, _, err = part.take(t.Context(), eventAt(6))
	requireDamaged(t, err, "s", reasonTruncated)
}

// A subscription that leaves out an event is begun again; if the event is not there then, the
// stream has a gap. A read is not asked twice.
func TestAGapInAStreamIsDamage(t *testing.T) {
	s := open(t, startOne(t).URL(), Options{})
	live := &streamCursor{s: s, stream: "s", follow: true}
	_, ok, err := live.take(t.Context(), eventAt(0))
	require.NoError(t, err)
	require.True(t, ok)
	_, ok, err = live.take(t.Context(), eventAt(0))
	require.NoError(t, err)
	require.False(t, ok, "a repeat is left out")
	_, _, err = live.take(t.Context(), eventAt(2))
	require.True(t, again(err))
	_, ok, err = live.take(t.Context(), eventAt(1))
	require.NoError(t, err)
	require.True(t, ok)
	_, _, err = live.take(t.Context(), eventAt(3))
	require.True(t, again(err), "another gap, for the first time")
	_, _, err = live.take(t.Context(), eventAt(3))
	requireDamaged(t, err, "s", reasonTruncated)

	read := &streamCursor{s: s, stream: "s"}
	_, _, err = read.take(t.Context(), eventAt(1))
	requireDamaged(t, err, "s", reasonTruncated)
}
