package projections

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// gate is a projection that waits at its first record.
type gate struct{ at, open chan struct{} }

func (g *gate) Apply(rec eventstore.Record, _ domain.Event, _ *portfolio.State) {
	if rec.Revision == 0 {
		close(g.at)
		<-g.open
	}
}

func deposits(t *testing.T, n int) []eventstore.Record {
	t.Helper()
	data, err := domain.Encode(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: domain.MustDecimal("1")})
	require.NoError(t, err)
	all := make([]eventstore.Record, n)
	for i := range all {
		all[i] = eventstore.Record{Type: domain.DepositRecordedType, Revision: uint64(i), Time: time.Unix(1e9, 0), Data: data}
	}
	return all
}

// "What has come already is applied together: between two of thousands that are appended
// at once, not everybody who reads is waited for", and a bound of it lets readers in.
func TestWhatHasComeIsFoldedTogether(t *testing.T) {
	g := &gate{make(chan struct{}), make(chan struct{})}
	r := NewRunner(memory.New(), "s", g)
	all := deposits(t, foldAtOnce+2)
	come := make(chan eventstore.Record, len(all))
	for _, rec := range all[1:] {
		come <- rec
	}
	seen, done := make(chan uint64, 1), make(chan error, 1)
	go func() { done <- r.fold(all[0], come) }()
	<-g.at
	go r.Read(func(s *portfolio.State) { seen <- s.Next })
	require.Never(t, func() bool { return len(seen) > 0 }, 50*time.Millisecond, 10*time.Millisecond)
	close(g.open)
	require.NoError(t, <-done)
	require.EqualValues(t, foldAtOnce, <-seen)
	close(come)
	require.NoError(t, r.fold(<-come, come))
	require.EqualValues(t, len(all), r.state.Next)
}

// Who waits for a revision is not woken for those before it; who waits for an earlier one is.
func TestNobodyIsWokenTooEarly(t *testing.T) {
	r := NewRunner(memory.New(), "s")
	fold := func(rec eventstore.Record) {
		none := make(chan eventstore.Record)
		require.NoError(t, r.fold(rec, none))
	}
	waits := func(revision uint64) chan error {
		done := make(chan error, 1)
		go func() { done <- r.Wait(t.Context(), revision) }()
		require.Eventually(t, func() bool { r.mu.RLock(); defer r.mu.RUnlock(); return r.moved != nil && r.awaited <= revision }, 10*time.Second, time.Millisecond)
		return done
	}
	all := deposits(t, 3)
	late := waits(2)
	moved := r.moved
	fold(all[0])
	require.Equal(t, moved, r.moved, "nobody is woken")
	early := waits(1)
	fold(all[1])
	require.NoError(t, <-early)
	require.Empty(t, late)
	require.Eventually(t, func() bool { r.mu.RLock(); defer r.mu.RUnlock(); return r.moved != nil }, 10*time.Second, time.Millisecond)
	fold(all[2])
	require.NoError(t, <-late)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.Wait(ctx, 9), context.Canceled)
}
