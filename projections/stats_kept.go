package projections

import (
	"maps"
	"sync"
	"time"

	"pets/domain/portfolio"
	"pets/domain/tradestats"
)

// keptLag is how many of the latest steps are walked each time the statistics are asked
// for: what is revised is most often young.
const keptLag = 1024

// keptStats are walks over the older steps of every scope, so that statistics of a long
// history cost as much as those of its latest steps. They are dropped when one of those
// steps changes, and with the limits or the zone.
type keptStats struct {
	mu    sync.Mutex // readers of the same state share it
	lag   int        // keptLag, or what a test sets
	upTo  int        // the steps before it are walked
	walks map[string]*tradestats.Walk
	// What they were walked with.
	merged, own tradestats.Limits
	zone        string
}

// forget drops the walks if a step that they have changes.
func (k *keptStats) forget(step int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if step < k.upTo {
		k.upTo, k.walks = 0, nil
	}
}

// walked returns walks over all steps, of the portfolio ("") and of each bot.
func (f *StatsFold) walked(s *portfolio.State, merged, own tradestats.Limits, zone *time.Location) map[string]*tradestats.Walk {
	k := &f.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.walks == nil || k.zone != zone.String() || !maps.Equal(k.merged, merged) || !maps.Equal(k.own, own) {
		k.upTo, k.zone, k.merged, k.own = 0, zone.String(), maps.Clone(merged), maps.Clone(own)
		k.walks = map[string]*tradestats.Walk{"": tradestats.Begin(k.merged, zone)}
	}
	for id := range s.Bots {
		if k.walks[id] == nil { // nothing of it was walked before
			k.walks[id] = tradestats.Begin(k.own, zone)
		}
	}
	lag := keptLag
	if k.lag > 0 {
		lag = k.lag
	}
	if to := len(f.steps) - lag; to > k.upTo+lag {
		to = f.cut(s, to)
		feed(k.walks, f.entries(s, k.upTo, to))
		k.upTo = to
	}
	walks := make(map[string]*tradestats.Walk, len(k.walks))
	for scope, w := range k.walks {
		walks[scope] = w.Clone()
	}
	feed(walks, f.entries(s, k.upTo, len(f.steps)))
	return walks
}

// feed walks entries, each in the scopes that it is part of.
func feed(walks map[string]*tradestats.Walk, entries []entry) {
	for i := range entries {
		e := &entries[i]
		if e.of("") {
			walks[""].Step(e.Step)
		}
		if w := walks[e.bot]; e.bot != "" && !e.gone && w != nil {
			w.Step(e.Step)
		}
	}
}

// cut returns the last place up to which steps can be walked for good: no result has trades
// on both sides of it, and none before it waits for more.
func (f *StatsFold) cut(s *portfolio.State, most int) int {
	from := f.kept.upTo
	last := map[string]int{}
	for n := from; n < len(f.steps); n++ {
		if t := f.steps[n].trade; t >= 0 && f.trades.all[t].ResultID != "" {
			last[f.trades.all[t].result()] = n
		}
	}
	best, until := from, from
	for n := from; n < most; n++ {
		if at := f.steps[n].trade; at >= 0 && f.trades.all[at].ResultID != "" {
			t := &f.trades.all[at]
			if s.ResultOf(t.Bot, t.ResultID) == "" && !t.gone {
				return best
			}
			until = max(until, last[t.result()]+1)
		}
		if n+1 >= until {
			best = n + 1
		}
	}
	return best
}
