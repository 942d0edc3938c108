package projections

import (
	"maps"
	"strings"
	"sync"
	"time"

	"pets/domain/portfolio"
	"pets/domain/tradestats"
)

// keptApart says how far apart kept walks are: at most so many times as far as they are from
// the end. So there are few of them at any length of history, and after the revision of a trade
// at most about keptApart+1 times as many rows are walked again as have come since it closed.
const keptApart = 7

// keptWalks are walks over the older rows, so that statistics of a long history cost as much
// as those of its latest rows. One is dropped when a row that it has changes, and all with the
// zone, or with limits that they do not tell figures by.
type keptWalks struct {
	mu sync.Mutex // readers of the same state share it
	at []keptWalk // by rising rows
	// What they began with. The limits in force now may be others.
	merged, own tradestats.Limits
	zone        string
}

// keptWalk is what the first rows came to.
type keptWalk struct {
	rows  int
	walks walks
}

// walks are a walk for each scope, the portfolio ("") and each bot. Copies share those that
// have not gone on since.
type walks struct {
	of  map[string]*tradestats.Walk
	own map[string]bool // those that no copy shares
}

func (w *walks) copy() walks {
	clear(w.own)
	return walks{maps.Clone(w.of), map[string]bool{}}
}

// feed steps the walks of the scopes that an entry is part of.
func (w *walks) feed(e *entry) {
	if e.of("") {
		w.step("", e)
	}
	if e.bot != "" && !e.gone {
		w.step(e.bot, e)
	}
}

func (w *walks) step(scope string, e *entry) {
	one := w.of[scope]
	if one == nil {
		return
	}
	if !w.own[scope] {
		one = one.Clone()
		w.of[scope], w.own[scope] = one, true
	}
	one.Step(e.Step)
}

// forget drops the walks that have a row.
func (k *keptWalks) forget(row int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(k.at)
	for n > 0 && k.at[n-1].rows > row {
		n--
	}
	clear(k.at[n:])
	k.at = k.at[:n]
}

func (k *keptWalks) any() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.at) > 0
}

// keep adds a walk over more rows than the others have, and drops those that are too many.
func (k *keptWalks) keep(w keptWalk) {
	all := append(k.at, w)
	k.at = all[:0]
	for i := range all {
		before := 0
		if n := len(k.at); n > 0 {
			before = k.at[n-1].rows
		}
		if i+1 < len(all) && all[i+1].rows-before <= keptApart*(w.rows-all[i+1].rows) {
			continue
		}
		k.at = append(k.at, all[i])
	}
	clear(all[len(k.at):])
}

// begin returns how many rows the walks have that were kept, and a copy to go on with.
func (k *keptWalks) begin(s *portfolio.State, merged, own tradestats.Limits, zone *time.Location) keptWalk {
	if len(k.at) == 0 || k.zone != zone.String() {
		k.at, k.zone, k.merged, k.own = nil, zone.String(), maps.Clone(merged), maps.Clone(own)
	}
	w := keptWalk{walks: walks{map[string]*tradestats.Walk{"": tradestats.Begin(k.merged, zone)}, map[string]bool{}}}
	if n := len(k.at); n > 0 {
		w = keptWalk{k.at[n-1].rows, k.at[n-1].walks.copy()}
	}
	for id := range s.Bots {
		if w.walks.of[id] == nil { // nothing of it was walked before
			w.walks.of[id] = tradestats.Begin(k.own, zone)
		}
	}
	return w
}

// next returns how many rows the walk has to have that is kept next, after one that has n: a
// piece more, or far from the end as many more as may lie between two.
func (k *keptWalks) next(n int, rows *rowLog) int {
	return n + max(rows.per, (rows.written()-n)*keptApart/(keptApart+1))
}

// walked returns walks over all rows, of the portfolio ("") and of each bot, that tell figures by
// the limits. If those that were kept do not, all rows are walked again, with these limits.
func (f *StatsFold) walked(s *portfolio.State, merged, own tradestats.Limits, zone *time.Location) (map[string]*tradestats.Walk, error) {
	k := &f.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	all, err := f.walk(s, merged, own, zone)
	if err != nil || tell(all, merged, own) {
		return all, err
	}
	k.at = nil
	return f.walk(s, merged, own, zone)
}

// tell reports whether walks tell figures by limits.
func tell(all map[string]*tradestats.Walk, merged, own tradestats.Limits) bool {
	for scope, w := range all {
		limits := own
		if scope == "" {
			limits = merged
		}
		if _, known := w.By(limits); !known {
			return false
		}
	}
	return true
}

// walk goes on from the walks that were kept, over all further rows. It keeps walks over rows
// that are in pieces.
func (f *StatsFold) walk(s *portfolio.State, merged, own tradestats.Limits, zone *time.Location) (map[string]*tradestats.Walk, error) {
	k, rows := &f.kept, &f.trades.rows
	w := k.begin(s, merged, own, zone)
	q := newSeries(s, w.walks.feed)
	next := k.next(w.rows, rows)
	err := rows.walk(w.rows, func(i int, r *row) bool {
		q.take(r)
		if n := i + 1; n >= next && n <= rows.written() && q.whole() {
			k.keep(keptWalk{n, w.walks.copy()})
			next = k.next(n, rows)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	q.finish()
	return w.walks.of, nil
}

// mostMoved limits how many results StatsFold.moved has.
const mostMoved = 1024

// joins drops the walks that have other trades of the result that a trade is part of. Because
// none was kept that has some of its trades and not the others, any one of them tells which.
func (f *StatsFold) joins(t touch) {
	of := result{t.bot, t.joins}
	other, known := f.moved[of]
	if t.moved {
		if len(f.moved) >= mostMoved {
			clear(f.moved)
		}
		f.moved[of] = t.row
	}
	if !known && f.kept.any() {
		other = f.named(of)
	}
	f.kept.forget(other)
}

// named finds a trade of a result by the name of the result, which is r and the revision of its
// first trade. A result that trades have moved to has another name; where moved does not have
// it, its trades may be anywhere.
func (f *StatsFold) named(of result) int {
	name, _, _ := strings.Cut(of.id, ".") // the row of the record
	revision, ok := numbered('r', name)
	if !ok {
		return 0
	}
	i, err := f.trades.rows.of(revision, func(r *row) bool { return !r.flow && !r.gone && r.result() == of })
	if err != nil || i < 0 {
		return 0
	}
	return i
}
