package tradestats

import (
	"cmp"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// rises are how high the value of a breaker has risen, and when: enough to say at which trade it
// reached a limit, without having been told the limit. A series of losses raises it with each
// trade, so not every rise is held: those that reach the next multiple of a thousandth (or the next
// whole number, of a count), and the one that reaches the limit that the walk began with.
type rises struct {
	rule *risk.Rule
	list []rise
	top  domain.Decimal // the highest value; 0 before the first trade
}

// rise is the trade at which a value rose above all that it was before.
type rise struct {
	Trade int
	Time  time.Time
	Value domain.Decimal
	Below domain.Decimal // the highest value before
}

// mostRises limits how many rises are held beside that of the limit. A fraction has fewer.
const mostRises = 1002

// following returns the breakers that a walk follows: all that apply to closed trades. One that
// remembers hours is followed only if it has a limit, because it remembers much.
func following(limits Limits) []rises {
	var all []rises
	for r := range risk.Rules() {
		if _, on := limits[r.Name]; r.OnClosed && (on || r.Hour == nil) {
			all = append(all, rises{rule: r})
		}
	}
	return all
}

// note notes the value after a trade.
func (r *rises) note(value domain.Decimal, limits Limits, trade int, at time.Time) {
	if len(r.list) > 0 && !r.top.Less(value) {
		return
	}
	if len(r.list) == 0 || r.reaches(value, limits) {
		r.list = append(r.list, rise{trade, at, value, r.top})
	}
	r.top = value
}

// reaches reports whether a value that is above all before is a rise to hold.
func (r *rises) reaches(value domain.Decimal, limits Limits) bool {
	if limit, on := limits[r.rule.Name]; on && r.top.Less(limit) && value.AtLeast(limit) {
		return true
	}
	return len(r.list) < mostRises && value.AtLeast(r.next())
}

// next returns the multiple that is above the highest value.
func (r *rises) next() domain.Decimal {
	if r.rule.Whole {
		return r.top.Trunc(0).Add(domain.One)
	}
	return r.top.Trunc(3).Add(thousandth)
}

var thousandth = domain.MustDecimal("0.001")

// at returns the rise that reached a limit, nil if none did. It is not known if one that is not
// held may have reached it.
func (r *rises) at(limit domain.Decimal) (reached *rise, known bool) {
	i, _ := slices.BinarySearchFunc(r.list, limit, func(x rise, limit domain.Decimal) int { return x.Value.Cmp(limit) })
	if i == len(r.list) {
		return nil, len(r.list) == 0 || r.top.Less(limit)
	}
	reached = &r.list[i]
	return reached, i == 0 || reached.Below.Less(limit)
}

// closedBreakers returns the breakers that would have tripped, in the order of the trades.
func (w *Walk) closedBreakers(limits Limits) (tripped []ClosedBreaker, known bool) {
	followed := 0
	for i := range w.rises {
		r := &w.rises[i]
		limit, on := limits[r.rule.Name]
		if !on {
			continue
		}
		followed++
		x, known := r.at(limit)
		if !known {
			return nil, false
		}
		if x != nil {
			tripped = append(tripped, ClosedBreaker{r.rule, x.Trade, x.Time, x.Value, limit})
		}
	}
	slices.SortStableFunc(tripped, func(a, b ClosedBreaker) int { return cmp.Compare(a.Trade, b.Trade) })
	return tripped, followed == len(limits)
}

// streaksOf counts the streaks of losses that reached a limit.
func (w *Walk) streaksOf(limit domain.Decimal) int {
	n := 0
	reached := func(length int) bool { return domain.FromInt(int64(length)).AtLeast(limit) }
	for length, streaks := range w.ended {
		if reached(length) {
			n += streaks
		}
	}
	if w.streak.Losses > 0 && reached(w.streak.Losses) {
		n++
	}
	return n
}
