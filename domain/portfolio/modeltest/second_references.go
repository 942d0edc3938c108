package modeltest

import (
	"math/big"
	"time"
)

// moment is what happened to the references of a scope: a flow, a day that opened, or
// anything else that moved its equity.
type moment struct {
	what          string // flow, move, day, rebase, correct
	scope         string // a bot, or "" for the portfolio
	at            time.Time
	before, after Num // the equity
	least         Num // min_capital then
	which         []string
	of            int // the flow that is corrected
	amount        Num // of a deposit or withdrawal, and of its correction
	asset         string
	cold          bool
}

func (m *Second) moment(is moment) {
	is.at, is.least = m.now, m.Rules.MinCapital
	if is.before == nil {
		is.before = is.after
	}
	m.moments = append(m.moments, is)
}

// lastEquity returns the equity of a scope after its last moment.
func (m *Second) lastEquity(id string) Num {
	last := zero
	for _, is := range m.moments {
		if is.scope == id {
			last = is.after
		}
	}
	return last
}

// level is a reference: an amount while its scope is awake, a multiple of the last equity
// while it sleeps. times is nil if the ratio was 1 when it fell asleep. Asleep the amount is
// what a debt that wakes the scope is measured from: flows are added, and new highs raise it.
type level struct{ at, times Num }

type hour struct {
	n int64
	*level
}

// scope is the portfolio or a bot, as its moments make it.
type scope struct {
	awake, capital       bool // capital: it was awake before
	equity               Num
	peak, lifetime, open *level
	hours                []hour
}

func newLevel(at Num) *level { return &level{at, one} }

// scope replays the moments of a scope: "references are kept as multiples", flows multiply
// them, everything else moves the equity below or above them. A corrected flow is replayed
// as what it should have been.
func (m *Second) scope(id string) *scope {
	s := &scope{equity: zero, peak: newLevel(zero), lifetime: newLevel(zero), open: newLevel(zero)}
	var corrections []int
	for n, is := range m.moments {
		if is.what == "correct" && is.scope == id {
			corrections = append(corrections, n)
		}
	}
	for n, is := range m.moments {
		if is.scope != id {
			continue
		}
		before, after := is.before, is.after
		for _, k := range corrections {
			c := m.moments[k]
			if c.of < n && n < k {
				before = add(before, c.amount)
			}
			if c.of <= n && n < k {
				after = add(after, c.amount)
			}
		}
		s.reach(is.at)
		switch is.what {
		case "flow":
			s.flow(before, after, is.least)
		case "day":
			s.open = newLevel(after)
		case "rebase":
			s.rebase(is.which)
		default:
			s.move(after, is.least)
		}
	}
	s.reach(m.now)
	return s
}

func (s *scope) levels() []*level {
	out := []*level{s.peak, s.lifetime, s.open}
	for _, h := range s.hours {
		out = append(out, h.level)
	}
	return out
}

// reach: "the highest flow-adjusted equity of this clock hour (UTC) and the 24 before, what
// was in force when they began included: 25 numbers".
func (s *scope) reach(at time.Time) {
	now := at.Unix() / 3600
	from := now - 24
	if len(s.hours) == 0 {
		from = now
	} else if next := s.hours[len(s.hours)-1].n + 1; next > from {
		from = next
	}
	for n := from; n <= now; n++ {
		s.hours = append(s.hours, hour{n, newLevel(s.equity)})
	}
	for s.hours[0].n < now-24 {
		s.hours = s.hours[1:]
	}
}

// enough: "A scope sleeps until its equity first reaches min_capital …, and when a flow
// leaves it at 0 or below min_capital." "It wakes with any event that leaves |equity| ≥
// min_capital (≠ 0 where that is 0)".
func enough(equity, least Num) bool { return equity.Sign() != 0 && !less(abs(equity), least) }

func (s *scope) flow(before, after, least Num) {
	f := sub(after, before)
	s.equity = after
	switch {
	case f.Sign() == 0:
	case !s.awake:
		for _, l := range s.levels() {
			switch {
			case !s.capital: // "0 before any capital"
			case f.Sign() > 0:
				l.at = add(l.at, f)
			case l.times != nil && l.at.Sign() > 0: // at ratio 1 "a debt stays a debt"
				l.at = larger(zero, add(l.at, f))
			}
		}
		s.wake(after, least)
	default:
		for _, l := range s.levels() {
			l.times = nil
			switch {
			case before.Sign() > 0:
				l.times = new(big.Rat).Quo(l.at, before)
			case l.at.Sign() < 0 && !less(before, l.at): // the debt was accepted: "asleep its ratios stay"
				l.times = one
			}
			switch {
			// "At a flow F with equity E before it, every reference value … is multiplied
			// by (E+F)/E when E > 0 and E+F > 0".
			case before.Sign() > 0 && !enough(after, least):
				l.at = new(big.Rat).Mul(l.times, larger(zero, after))
			case before.Sign() > 0 && after.Sign() > 0:
				l.at = new(big.Rat).Mul(l.times, after)
			case f.Sign() > 0:
				l.at = add(l.at, f)
			}
		}
		s.awake = enough(after, least)
		s.raise()
	}
}

// wake: "above 0, references are set so that the ratios are unchanged (at ratio 1: old
// reference + flow); below 0 the ratio is 1."
func (s *scope) wake(after, least Num) {
	if !enough(after, least) {
		return
	}
	for _, l := range s.levels() {
		if after.Sign() > 0 && l.times != nil {
			l.at = new(big.Rat).Mul(l.times, after)
		}
	}
	s.awake, s.capital = true, true
	s.raise()
}

func (s *scope) move(after, least Num) {
	s.equity = after
	if !s.awake {
		s.wake(after, least)
	}
	s.raise()
}

func (s *scope) raise() {
	if !s.capital {
		return
	}
	for _, l := range []*level{s.peak, s.lifetime, s.hours[len(s.hours)-1].level} {
		l.at = larger(l.at, s.equity)
	}
}

// rebase: "With rebase the drawdown peak or the day-open becomes the equity now"; "a reset
// with rebase makes all of them the equity now".
func (s *scope) rebase(which []string) {
	for _, w := range which {
		switch w {
		case "peak":
			s.peak = newLevel(s.equity)
		case "day":
			s.open = newLevel(s.equity)
		case "hours":
			for n := range s.hours {
				s.hours[n].level = newLevel(s.equity)
			}
		}
	}
}

// ratio: "Asleep its ratios stay"; "1 when equity ≤ 0 after capital".
func (s *scope) ratio(l *level) Num {
	switch {
	case !s.awake && l.times == nil:
		return one
	case !s.awake && !less(one, l.times):
		return zero
	case !s.awake:
		return sub(one, new(big.Rat).Inv(l.times))
	case l.at.Sign() < 0 && !less(s.equity, l.at):
		return zero // "reset with rebase is possible whenever the scope has equity ≠ 0": more is lost from there
	case s.equity.Sign() <= 0:
		return one
	case !less(s.equity, l.at):
		return zero
	}
	return sub(one, new(big.Rat).Quo(s.equity, l.at))
}

// rolling: "fall from the highest flow-adjusted equity".
func (s *scope) rolling() Num {
	out := zero
	for _, h := range s.hours {
		out = larger(out, s.ratio(h.level))
	}
	return out
}
