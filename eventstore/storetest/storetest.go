// Package storetest is the test suite that every engine of eventstore passes. It
// owns one test for every sentence of the [eventstore.Store] contract, and each
// test quotes its sentence. It refuses to know which engine it tests: promises of
// a single engine (files, crashes, a second process) are tested beside that
// engine.
package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

// Open returns an empty store for one test. Open closes it at the end, by
// t.Cleanup; a test may close it before.
type Open func(t *testing.T) eventstore.Store

// patience limits every wait of the suite. It is no measurement: a test that
// reaches it hangs.
const patience = 60 * time.Second

// Run runs the whole suite, each test on its own store.
func Run(t *testing.T, open Open) {
	t.Helper()
	groups := []map[string]func(*testing.T, eventstore.Store){appends, idempotence, limits, reads, subscriptions, endings, races}
	for _, group := range groups {
		for name, test := range group {
			t.Run(name, func(t *testing.T) { test(t, open(t)) })
		}
	}
}

// start is an arbitrary time with nanoseconds, which a coarser unit would lose.
var start = time.Date(2025, 3, 9, 1, 59, 59, 123_456_789, time.UTC)

// ID returns the n-th id of a series. It is stable, so that failures can be
// compared.
func ID(series string, n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, binary.BigEndian.AppendUint64([]byte(series), uint64(n))) //nolint:gosec // test counter
}

// Propose returns records [from, from+n) of a series. Equal arguments give
// equal records.
func Propose(series string, from, n int) []eventstore.Proposed {
	records := make([]eventstore.Proposed, n)
	for i := range records {
		k := from + i
		records[i] = eventstore.Proposed{
			ID:       ID(series, k),
			Type:     "test.happened.v1",
			Time:     start.Add(time.Duration(k)),
			Metadata: fmt.Appendf(nil, `{"series":%q}`, series),
			Data:     fmt.Appendf(nil, `{"n":"%d","pad":%q}`, k, strings.Repeat("x", k%7)),
		}
	}
	return records
}

// Must appends and fails the test on any error.
func Must(t testing.TB, s eventstore.Store, stream string, expected eventstore.Expected, records []eventstore.Proposed) eventstore.Appended {
	t.Helper()
	got, err := s.Append(t.Context(), stream, expected, records)
	require.NoError(t, err)
	return got
}

// Collect drains a sequence and returns its records, and the error it ended with,
// if any.
func Collect(t testing.TB, seq iter.Seq2[eventstore.Record, error]) ([]eventstore.Record, error) {
	t.Helper()
	var records []eventstore.Record
	var failed error
	for r, err := range seq {
		require.NoError(t, failed, "an error is the last element")
		if err != nil {
			failed = err
			continue
		}
		records = append(records, r)
	}
	return records, failed
}

// All drains a sequence that must not fail.
func All(t testing.TB, seq iter.Seq2[eventstore.Record, error]) []eventstore.Record {
	t.Helper()
	records, err := Collect(t, seq)
	require.NoError(t, err)
	return records
}

// Take returns the first n records of a subscription.
func Take(t testing.TB, seq iter.Seq2[eventstore.Record, error], n int) []eventstore.Record {
	t.Helper()
	var records []eventstore.Record
	for r, err := range seq {
		require.NoError(t, err)
		if records = append(records, r); len(records) == n {
			break
		}
	}
	return records
}

// requireSame fails unless got equals want, as stored in stream from revision on.
func requireSame(t testing.TB, stream string, revision uint64, want []eventstore.Proposed, got []eventstore.Record) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, w := range want {
		g := got[i]
		require.Equal(t, stream, g.Stream)
		require.Equal(t, revision+uint64(i), g.Revision)
		require.Equal(t, w.ID, g.ID)
		require.Equal(t, w.Type, g.Type)
		require.True(t, w.Time.Equal(g.Time), "want %v, got %v", w.Time, g.Time)
		require.Equal(t, time.UTC, g.Time.Location())
		require.True(t, bytes.Equal(w.Metadata, g.Metadata), "metadata of record %d", i)
		require.True(t, bytes.Equal(w.Data, g.Data), "data of record %d", i)
	}
}

// requireOrdered fails unless the positions strictly increase.
func requireOrdered(t testing.TB, records []eventstore.Record) {
	t.Helper()
	last := eventstore.Position{}
	for _, r := range records {
		require.Positive(t, r.Position.Compare(last), "position of %s/%d", r.Stream, r.Revision)
		last = r.Position
	}
}

// requireConflict fails unless err is a Conflict with exactly these fields.
func requireConflict(t testing.TB, err error, stream string, expected, actual eventstore.Expected) {
	t.Helper()
	var conflict *eventstore.Conflict
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, eventstore.Conflict{Stream: stream, Expected: expected, Actual: actual}, *conflict)
}

// requireClosed fails unless err is the Unavailable of a closed store.
func requireClosed(t testing.TB, err error) {
	t.Helper()
	var unavailable *eventstore.Unavailable
	require.ErrorAs(t, err, &unavailable)
	require.False(t, unavailable.Poisoned)
	require.ErrorIs(t, err, eventstore.ErrClosed)
}

// patiently returns a context that ends only if something hangs.
func patiently(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
