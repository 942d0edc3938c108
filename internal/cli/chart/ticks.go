package chart

import "time"

// tickStyle formats the times of an axis: each tick, and the day or year it belongs to.
type tickStyle struct{ tick, of string }

const oneDay = 24 * time.Hour

// timeSteps are the usual distances between ticks, up to weeks.
var timeSteps = []struct {
	step  time.Duration
	style tickStyle
}{
	{time.Second, tickStyle{"15:04:05", "Jan 2, 2006"}},
	{5 * time.Second, tickStyle{"15:04:05", "Jan 2, 2006"}},
	{10 * time.Second, tickStyle{"15:04:05", "Jan 2, 2006"}},
	{30 * time.Second, tickStyle{"15:04:05", "Jan 2, 2006"}},
	{time.Minute, tickStyle{"15:04", "Jan 2, 2006"}},
	{2 * time.Minute, tickStyle{"15:04", "Jan 2, 2006"}},
	{5 * time.Minute, tickStyle{"15:04", "Jan 2, 2006"}},
	{10 * time.Minute, tickStyle{"15:04", "Jan 2, 2006"}},
	{30 * time.Minute, tickStyle{"15:04", "Jan 2, 2006"}},
	{time.Hour, tickStyle{"15:04", "Jan 2, 2006"}},
	{2 * time.Hour, tickStyle{"15:04", "Jan 2, 2006"}},
	{3 * time.Hour, tickStyle{"15:04", "Jan 2, 2006"}},
	{6 * time.Hour, tickStyle{"15:04", "Jan 2, 2006"}},
	{12 * time.Hour, tickStyle{"15:04", "Jan 2, 2006"}},
	{oneDay, tickStyle{"Jan 2", "2006"}},
	{2 * oneDay, tickStyle{"Jan 2", "2006"}},
	{7 * oneDay, tickStyle{"Jan 2", "2006"}}, // Mondays
	{14 * oneDay, tickStyle{"Jan 2", "2006"}},
}

// monthSteps are the distances in months.
var monthSteps = []struct {
	months int
	style  tickStyle
}{
	{1, tickStyle{"Jan", "2006"}},
	{2, tickStyle{"Jan", "2006"}},
	{3, tickStyle{"Jan", "2006"}},
	{6, tickStyle{"Jan", "2006"}},
	{12, tickStyle{"2006", ""}},
	{24, tickStyle{"2006", ""}},
	{60, tickStyle{"2006", ""}},
	{120, tickStyle{"2006", ""}},
	{600, tickStyle{"2006", ""}},
}

// timeTicks returns the round times from start to end, at most svgTicks of them and at least one.
func timeTicks(start, end time.Time) ([]time.Time, tickStyle) {
	start, end = start.UTC(), end.UTC()
	for _, s := range timeSteps {
		if end.Sub(start)/s.step >= svgTicks {
			continue
		}
		var ticks []time.Time
		for t := roundUp(start, s.step); !t.After(end); t = t.Add(s.step) {
			ticks = append(ticks, t)
		}
		if len(ticks) == 0 { // the span has no round time
			return []time.Time{start}, s.style
		}
		return ticks, s.style
	}
	var ticks []time.Time
	for i, s := range monthSteps {
		ticks = monthTicks(start, end, s.months)
		if len(ticks) <= svgTicks || i == len(monthSteps)-1 {
			return ticks, s.style
		}
	}
	return ticks, tickStyle{}
}

func roundUp(t time.Time, step time.Duration) time.Time {
	if down := t.Truncate(step); down.Before(t) {
		return down.Add(step)
	}
	return t
}

// monthTicks returns the first days of every so many months, counted from a January.
func monthTicks(start, end time.Time, months int) []time.Time {
	n := (start.Year()*12 + int(start.Month()) - 1) / months * months
	var ticks []time.Time
	for {
		t := time.Date(n/12, time.Month(n%12+1), 1, 0, 0, 0, 0, time.UTC)
		if t.After(end) {
			return ticks
		}
		if !t.Before(start) {
			ticks = append(ticks, t)
		}
		n += months
	}
}
