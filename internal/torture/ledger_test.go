package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// ledger is what a store has promised: how many records of each stream are
// safe. What a record holds follows from its stream and its revision.
type ledger struct {
	mu    sync.Mutex
	acked map[string]int
}

func newLedger() *ledger { return &ledger{acked: map[string]int{}} }

func (l *ledger) atLeast(stream string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[stream] = max(l.acked[stream], n)
}

func (l *ledger) copy() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked)
}

func (l *ledger) total() int {
	n := 0
	for _, count := range l.copy() {
		n += count
	}
	return n
}

// missing says what is not in the store as it was promised: every acknowledged
// record byte for byte, revisions without a gap, and behind them only the
// continuation that the writer had proposed. What it has seen is promised from
// then on: what a start shows, no later start may lose.
func (l *ledger) missing(ctx context.Context, s *embedded.Store) error {
	seen := 0
	for name, want := range l.copy() {
		head, err := s.Head(ctx, name) // a writer may add faster than this can compare
		if err != nil {
			return fmt.Errorf("%s, of %d: %w", name, want, err)
		}
		n := 0
		for r, err := range s.ReadStream(ctx, name, 0) {
			if err != nil {
				return fmt.Errorf("%s at %d of %d: %w", name, n, want, err)
			}
			proposed := storetest.Propose(name, n, 1)[0]
			if r.Revision != uint64(n) || r.ID != proposed.ID || !bytes.Equal(r.Data, proposed.Data) || !r.Time.Equal(proposed.Time) {
				return fmt.Errorf("%s: record %d is revision %d with id %s, not what was appended", name, n, r.Revision, r.ID)
			}
			if n++; r.Revision == head {
				break
			}
		}
		if n < want {
			return fmt.Errorf("%s ends at %d of %d acknowledged records", name, n, want)
		}
		l.atLeast(name, n)
		seen += n
	}
	return l.requireNothingElse(ctx, s, seen)
}

// requireNothingElse checks that the order over all streams holds the same
// records, while nobody writes.
func (l *ledger) requireNothingElse(ctx context.Context, s *embedded.Store, seen int) error {
	if s.ReadOnly() {
		return nil // the writer may be ahead by now
	}
	names, err := s.Streams(ctx)
	if err != nil || len(names) > len(l.copy()) {
		return err // a stream nobody has heard of holds nothing acknowledged
	}
	n := 0
	for _, err := range s.ReadAll(ctx, eventstore.Position{}) {
		if err != nil {
			return err
		}
		n++
	}
	if n != seen {
		return fmt.Errorf("%d records in all streams, %d over all", seen, n)
	}
	return nil
}

// requireKept opens the store as the next start would, and fails unless all
// that was promised is there and every byte checks out.
func (l *ledger) requireKept(t *testing.T, folder, when string) {
	t.Helper()
	require.NoError(t, l.lost(t.Context(), folder), when)
}

// lost is requireKept for those who want to see a loss.
func (l *ledger) lost(ctx context.Context, folder string) error {
	s, err := embedded.Open(folder, embedded.Options{SegmentBytes: workerSegment})
	if err != nil {
		return err
	}
	err = l.missing(ctx, s)
	if err == nil {
		_, err = s.Verify(ctx, nil)
	}
	return errors.Join(err, s.Close())
}

// requireReadable does the same without a right to write, beside a writer or
// not.
func (l *ledger) requireReadable(t *testing.T, folder, when string) {
	t.Helper()
	s, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err, when)
	require.NoError(t, l.missing(t.Context(), s), when)
	require.NoError(t, s.Close(), when)
}
