package httpapi

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// counted is a store that counts the records that are read.
type counted struct {
	eventstore.Store
	records atomic.Int64
}

func (c *counted) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		for rec, err := range c.Store.ReadStream(ctx, stream, from) {
			if c.records.Add(1); !yield(rec, err) {
				return
			}
		}
	}
}

// A search for rare events answers what reading everything does, in as many records as lie around
// them, and in one page: now, as of an earlier moment, from the middle, for people and for bots.
func TestASearchForRareEventsDoesNotReadTheHistory(t *testing.T) {
	t.Parallel()
	store := &counted{Store: memory.New()}
	r := newRig(t, rigged{store: store, rate: 1000, burst: 1000}).opened()
	noted := func(n int) []domain.Event {
		all := make([]domain.Event, n)
		for i := range all {
			all[i] = &domain.CommandNoted{Code: "unchanged", Note: "so it was"}
		}
		return all
	}
	const stream = "portfolio-main"
	for n := range 4 {
		r.append(stream, "", noted(7_000)...)
		r.append(stream, "", &domain.BotStopped{Bot: "alpha", Reason: fmt.Sprint("reason ", n)}, &domain.EmergencyStopEngaged{Kind: domain.StopManual, Reason: fmt.Sprint("stop ", n)})
	}
	r.append(stream, "", noted(7_000)...)
	r.folded()
	all := r.allEvents("operator", "", 1<<30)
	require.Greater(t, len(all), 35_000)
	head := all[len(all)-1].Revision
	for _, who := range []string{"operator", "alpha"} {
		seen := all
		if who == "alpha" {
			seen = r.allEvents(who, "", 1<<30)
		}
		for _, types := range []string{"emergency_stop.", "bot.started,bot.stopped", "deposit", "nothing.like.it", "command.", "fill.recorded.v1,bot"} {
			var want []uint64
			for _, e := range seen {
				for prefix := range strings.SplitSeq(types, ",") {
					if strings.HasPrefix(e.Type, prefix) {
						want = append(want, e.Revision)
						break
					}
				}
			}
			for _, from := range []string{"", "&after=9000", fmt.Sprintf("&at=%d", head/2), fmt.Sprintf("&after=%d", head)} {
				var after, at uint64
				_, _ = fmt.Sscanf(from, "&after=%d", &after)
				if _, err := fmt.Sscanf(from, "&at=%d", &at); err != nil {
					at = head
				}
				var within []uint64
				for _, revision := range want {
					if (from == "" || revision > after) && revision <= at {
						within = append(within, revision)
					}
				}
				before := store.records.Load()
				var got []uint64
				for _, e := range r.allEvents(who, "&types="+types+from, 1<<30) {
					got = append(got, e.Revision)
				}
				require.Equal(t, within, got, "%s as %s%s", types, who, from)
				if types != "command." {
					require.Less(t, store.records.Load()-before, int64(7*1024), "%s as %s%s", types, who, from)
					require.Equal(t, got, revisions(r.allEvents(who, "&types="+types+from, 1)), "in one page")
				}
			}
		}
	}
	r.readsAll()
	before := store.records.Load()
	require.Len(t, r.allEvents("operator", "&types=emergency_stop.", 1<<30), 4)
	require.Greater(t, store.records.Load()-before, int64(35_000), "where nothing says which types there are")
}

func revisions(all []eventAnswer) (out []uint64) {
	for i := range all {
		out = append(out, all[i].Revision)
	}
	return out
}

// allEvents reads at most so many pages of events.
func (r *rig) allEvents(who, query string, pages int) (all []eventAnswer) {
	r.t.Helper()
	next := ""
	for range pages {
		a := r.get(who, main+"/events?limit=1000"+query+next)
		require.Equal(r.t, http.StatusOK, a.status, a.body)
		var v eventsAnswer
		a.into(r.t, &v)
		if all = append(all, v.Events...); v.Next == nil {
			return all
		}
		next = fmt.Sprintf("&after=%d", *v.Next)
		if i := strings.Index(query, "&after="); i >= 0 {
			query = query[:i]
		}
	}
	return all
}
