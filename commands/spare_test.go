package commands

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

// roundTrips are a provisional buy, its closing sale, and n trades after it.
func (r *rig) roundTrips(n int) []Request {
	first := fill("a", "first", "buy", "10", "0.5")
	first.Status = domain.FillProvisionalStatus
	requests := r.by(botCaller("a"), first, fill("a", "close", "sell", "10", "0.51"))
	for i := range n {
		requests = append(requests, r.by(botCaller("a"),
			fill("a", fmt.Sprint("b", i), "buy", "10", "0.5"), fill("a", fmt.Sprint("s", i), "sell", "10", "0.51"))...)
	}
	return requests
}

func (r *rig) all(requests []Request) {
	r.t.Helper()
	for len(requests) > 0 {
		n := min(len(requests), MaxRequests)
		results, err := r.w.DoAll(r.ctx(), requests[:n])
		require.NoError(r.t, err)
		for _, res := range results {
			require.NoError(r.t, res.Err)
		}
		requests = requests[n:]
	}
}

var firstBuy = VoidFill{FillID: domain.FillID{Bot: "a", TradeID: "first"}}

// "A refused command must not cost the fold": a void that would correct more trades than
// one command may record is refused again and again, and nothing is read.
func TestARefusedVoidReadsNothing(t *testing.T) {
	r := newRig(t)
	r.w.Close()
	r.w = r.writer(Options{most: portfolio.Room{Records: 400, Bytes: 1 << 20}})
	r.opened("a", "b")
	r.all(r.roundTrips(300))
	reads := r.store.reads
	for range 5 {
		err := r.refused(domain.CodeTooLarge, botCaller("a"), firstBuy)
		require.ErrorContains(t, err, "post an adjustment")
		r.must(botCaller("b"), fill("b", r.key(), "buy", "1", "0.5"))
	}
	require.Equal(t, reads, r.store.reads)
	r.must(olga, ConfirmFill(firstBuy)) // the alternative that the refusal names
	r.check()

	r = newRig(t) // by the fills after it
	r.w.Close()
	r.w = r.writer(Options{most: portfolio.Room{Records: 1_000, Bytes: 1 << 20, Fills: 600}})
	r.opened("a")
	r.all(r.roundTrips(300))
	require.ErrorContains(t, r.refused(domain.CodeTooLarge, botCaller("a"), firstBuy), "601 later fills")
	r.check()

	r = newRig(t) // by its bytes
	r.w.Close()
	r.w = r.writer(Options{most: portfolio.Room{Records: 10_000, Bytes: 400 << 10}})
	r.opened("a")
	r.all(r.roundTrips(300))
	reads = r.store.reads
	r.refused(domain.CodeTooLarge, botCaller("a"), firstBuy)
	require.Equal(t, reads, r.store.reads)
	r.check()
}

// "A void with 5,000 later trades is recorded and equals the fold without that fill."
func TestAVoidWithThousandsOfLaterTrades(t *testing.T) {
	const trades = 5_000
	r, without := newRig(t).opened("a"), newRig(t).opened("a")
	requests := r.roundTrips(trades)
	r.all(requests)
	without.all(requests[1:])
	before := len(r.records())
	a := r.must(botCaller("a"), firstBuy)
	require.GreaterOrEqual(t, len(a.Events), trades)
	stored(t, r.records(), a)
	size := 0
	for _, rec := range r.records()[before:] {
		size += 64 + len(rec.Type) + len(rec.Metadata) + len(rec.Data)
	}
	t.Logf("%d events, %d bytes", len(a.Events), size)
	is, want := fold(t, r.store), fold(t, without.store)
	require.Equal(t, want.Book, is.Book)
	figures := func(s *portfolio.State) []any {
		b := s.Bots["a"]
		return []any{b.Cash, b.Cost, b.Value, b.Positions, b.Trades, b.Wins, b.Losses, b.Neutral, b.Streak.Losses}
	}
	require.Equal(t, figures(want), figures(is))
	r.check()
	without.check()
}

// The same for commands that are refused after they have emitted events: an amount that
// would reach 10^15, and any command during a standstill, or after a jump, because the
// permits that these end are emitted first.
func TestALateRefusalReadsNothing(t *testing.T) {
	r := newRig(t).opened("a")
	r.must(olga, deposit("600000000000000"))
	reads := r.store.reads
	for range 3 {
		r.refused(domain.CodeInvalid, olga, deposit("500000000000000"))
		r.must(olga, deposit("1"))
	}
	require.Equal(t, reads, r.store.reads)
	r.check()

	for name, set := range map[string]time.Duration{"behind": -time.Hour, "jumped": time.Hour} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.w.Close()
			r.w = r.writer(Options{Monotonic: func() time.Duration { return 0 }})
			r.opened("a")
			r.must(botCaller("a"), permit("a", "1"))
			r.clock.add(set)
			reads := r.store.reads
			for range 3 {
				r.refused(domain.CodeInvalid, botCaller("a"), fill("a", r.key(), "buy", "0", "0.5"))
			}
			require.Equal(t, reads, r.store.reads)
			a := r.must(botCaller("a"), fill("a", r.key(), "buy", "1", "0.5"))
			require.Contains(t, types(a), "clock.jumped.v1")
			require.Equal(t, reads, r.store.reads)
			r.check()
		})
	}
}

// A defect costs one fold. The spare is dropped when it was not needed for long.
func TestTheSpareIsGivenUp(t *testing.T) {
	r := newRig(t)
	r.w.Close()
	r.w = r.writer(Options{spareFor: 10})
	r.opened("a")
	broken := testCommand{"x", func(d *portfolio.Decision) error { _ = deposit("9").Decide(d); panic("x") }}
	reads := r.store.reads
	for range 3 {
		r.refused(domain.CodeInternal, olga, broken)
		r.must(olga, deposit("1"))
	}
	require.Equal(t, reads+1, r.store.reads)
	for range 12 {
		r.must(olga, deposit("1"))
	}
	r.w.Close()
	require.Nil(t, r.w.spare)
	r.check()
}

// "Its time counts in the fair turns", accepted or refused: a caller who has kept the
// writer busy waits for the same time while others wait.
func TestHeavyCommandsArePutOff(t *testing.T) {
	r := newRig(t)
	r.w.Close()
	var elapsed time.Duration
	r.w = r.writer(Options{elapsed: func() time.Duration { return elapsed }})
	r.opened("a")
	heavily := func(label string, err error) Command {
		return testCommand{label, func(d *portfolio.Decision) error {
			elapsed += 50 * time.Millisecond
			d.Note(domain.NotedNothing, label)
			return err
		}}
	}
	refusal := domain.Errorf(domain.CodeConflict, "no")
	requests := r.by(alice, heavily("1", refusal), heavily("2", nil), heavily("3", nil))
	requests = append(requests, r.by(olga, deposit("1"), deposit("2"), deposit("3"), deposit("4"))...)
	before := len(r.store.appends)
	r.together(requests...)
	var order []string
	for _, group := range r.store.appends[before+1:] {
		for _, rec := range group {
			m, err := domain.DecodeMetadata(rec.Metadata)
			require.NoError(t, err)
			order = append(order, m.Actor)
		}
	}
	require.Equal(t, []string{"olga", "olga", "olga", "olga", "alice", "alice"}, order)
	require.Len(t, r.store.appends[before+1], 4, "the others do not wait for what is put off")

	// Beside a stop that caller is not served at all, even if no other caller waits.
	outs := []*job{{requests: r.by(alice, deposit("1")), lane: otherLane, key: turnOf(alice)}}
	q := newQueue()
	require.NoError(t, q.put(r.ctx(), r.ctx(), outs[0]))
	q.lanes[otherLane].turns[turnOf(alice)].until = time.Second
	require.Nil(t, q.other(0, true))
	require.NotNil(t, q.other(0, false))
}
