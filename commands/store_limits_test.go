package commands

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// tight is a store that accepts less in one append than others do.
type tight struct {
	eventstore.Store
	limits eventstore.Limits
}

func (s tight) Limits() eventstore.Limits { return s.limits }

func (s tight) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if err := s.limits.Check(stream, expected, records); err != nil {
		return eventstore.Appended{}, err
	}
	return s.Store.Append(ctx, stream, expected, records)
}

// onTight is a rig whose store has such limits.
func onTight(t *testing.T, limits eventstore.Limits) *rig {
	r := newRig(t)
	r.w.Close()
	r.store = newFaulty(t)
	r.store.Store = tight{memory.New(), limits}
	r.w = r.writer()
	return r.opened("a")
}

// No group of commands grows beyond what the store accepts, by bytes or by records, and all of
// the commands are accepted.
func TestGroupsStayWithinTheLimitsOfTheStore(t *testing.T) {
	for _, limits := range []eventstore.Limits{
		{Bytes: 64 << 10, Records: 10_000}, {Bytes: 8 << 20, Records: 40},
	} {
		r := onTight(t, limits)
		before := len(r.store.appends)
		requests := make([]Request, 400)
		for i := range requests {
			requests[i] = Request{Caller: olga, Key: fmt.Sprint("bulk", i), Command: RecordTrade{
				Bot: "a", Market: strings.Repeat("m", 256), PnL: dec("0.01"), TradeID: fmt.Sprint(i),
			}}
		}
		results, err := r.w.DoAll(r.ctx(), requests)
		require.NoError(t, err)
		for _, res := range results {
			require.NoError(t, res.Err)
		}
		require.Greater(t, len(r.store.appends)-before, 4)
		for _, a := range r.store.appends[before:] {
			require.NoError(t, limits.Check("s", eventstore.NoStream, a))
		}
		r.check()
	}
}

// A command that the store would never accept is refused, says how much one command may record,
// and does not harm the commands beside it.
func TestACommandBeyondTheLimitsOfTheStoreIsRefused(t *testing.T) {
	r := onTight(t, eventstore.Limits{Bytes: 8 << 10, Records: 40})
	long := Request{Caller: olga, Key: "long", Command: RecordTrade{
		Bot: "a", Market: strings.Repeat("m", 256), PnL: dec("0.01"), TradeID: "1",
	}}
	wide := testCommand{"x", func(d *portfolio.Decision) error {
		for range 21 {
			d.Note(domain.NotedNothing, "x")
		}
		return nil
	}}
	requests := append([]Request{long}, r.by(olga, wide, deposit("3"))...)
	outs := r.together(requests...)
	require.NoError(t, outs[0].err)
	requireCode(t, domain.CodeTooLarge, outs[1].err)
	require.ErrorContains(t, outs[1].err, "one command may record 20 events of 4096 bytes in all")
	require.NoError(t, outs[2].err)
	r.check()
}
