package portfolio

import (
	"pets/domain"
	"pets/domain/payoff"
	"pets/domain/risk"
)

// What a mark may do: under the second edition one that would bring an amount out of
// range is no mark. It is refused when it comes, alone; one that has waited beyond the
// collar goes on waiting. So no mark keeps a person from stopping, and no feed from
// marking the rest.

var (
	// largestAmount is the most that one fact may say under the second edition.
	largestAmount = domain.FromInt(1_000_000_000_000)
	// reach is what marks may bring the figures of a scope to. It is half of the range,
	// because a fall from a peak to a debt is as large as both together. Peaks do not count:
	// they are statistics of the past, and saturate there.
	reach = risk.HighestReference
)

// bearable holds what a mark makes of one holding within what one bot may have. A mark of
// the market is a fact, and a quantity that a bot invented is none: where both together
// come to more than can be true, that holding counts as the largest amount, and the mark is
// taken. The first edition knows no such bound.
func (s *State) bearable(value domain.Decimal) domain.Decimal {
	if !s.Policy.Second() {
		return value
	}
	return value.Min(largestAmount).Max(largestAmount.Neg())
}

// trial adds up by how much marks would make what the portfolio and its bots have larger,
// if all of them were in force. One that makes it smaller is always taken: what was wrong
// must not stay.
type trial struct {
	s       *State
	only    string // the bot whose holdings alone the marks price, or "" for all
	all     domain.Decimal
	bots    map[string]domain.Decimal
	markets map[string]bool // exclusive markets that are counted: what they pay has a bound at any marks
	said    map[domain.Instrument]domain.Decimal
}

func (s *State) trial(only string) *trial {
	return &trial{s: s, only: only, bots: map[string]domain.Decimal{}, markets: map[string]bool{}, said: map[domain.Instrument]domain.Decimal{}}
}

// takes reports whether a mark can be taken after those it took before.
func (t *trial) takes(m domain.Mark) bool {
	if m.Asset != "" {
		return t.takesAsset(m)
	}
	i, price := t.s.priced(domain.Instrument{Market: m.Market, Outcome: m.Outcome}, m.Price)
	market := t.s.together(i)
	if market == nil {
		if in := t.s.Instruments[i]; in != nil {
			return t.fits(t.movesOf(in, price))
		}
		return true
	}
	t.say(market, i, price)
	if t.markets[m.Market] {
		return true
	}
	if t.only == "" && t.fits(t.mostOf(market, m.Market)) { // of one bot it is as easy to see exactly
		t.markets[m.Market] = true
		return true
	}
	return t.fits(t.movesOfMarket(market, m.Market))
}

// moves are changes of what bots have.
type moves map[string]domain.Decimal

func (m moves) all() domain.Decimal {
	sum := domain.Zero
	for _, by := range m { // The order does not matter: the sums are exact.
		sum = sum.Add(by)
	}
	return sum
}

// fits reports whether the figures of all scopes stay in reach, and takes the changes.
func (t *trial) fits(m moves) bool {
	s, bots := t.s, map[string]domain.Decimal{}
	all, ok := larger(t.all, m.all(), s.Equity())
	for id, by := range m {
		b, within := s.Bots[id], false
		if b == nil { // the treasury
			continue
		}
		bots[id], within = larger(t.bots[id], by, b.Equity())
		ok = ok && within
	}
	if ok {
		t.all = all
		for id, up := range bots {
			t.bots[id] = up
		}
	}
	return ok
}

// larger reports whether a figure stays in reach if it changes by as much, beside what made
// it larger before, and returns by how much it has become larger then.
func larger(before, by, figure domain.Decimal) (after domain.Decimal, ok bool) {
	more := figure.Add(by).Abs().Sub(figure.Abs())
	if more.Sign() <= 0 {
		return before, true
	}
	after = before.Add(more)
	return after, figure.Abs().Add(after).Less(reach)
}

// movesOf returns what a mark changes of what is held of an instrument by itself.
func (t *trial) movesOf(in *Instrument, price domain.Decimal) moves {
	m, of := moves{}, in.Holdings
	if t.only != "" {
		of = nil
		if h := in.Holding(t.only); h != nil {
			of = []*Holding{h}
		}
	}
	for _, h := range of {
		m[h.Bot] = t.s.bearable(h.Quantity.Mul(price)).Sub(h.Value)
	}
	return m
}

// mostOf returns the most that any marks of an exclusive market can change: a share pays
// between 0 and 1, or takes as much.
func (t *trial) mostOf(market *Market, name string) moves {
	m := moves{}
	for _, in := range t.s.instrumentsOf(name) {
		for _, h := range in.Holdings {
			m[h.Bot] = m[h.Bot].Add(h.Quantity.Abs())
		}
	}
	for _, h := range market.Held {
		m[h.Bot] = m[h.Bot].Add(h.Value.Abs())
	}
	return m
}

// say notes a mark of an exclusive market, with two outcomes also of the other.
func (t *trial) say(market *Market, i domain.Instrument, price domain.Decimal) {
	t.said[i] = price
	if len(market.Outcomes) != minOutcomes {
		return
	}
	i.Outcome = payoff.Canonical(market.Outcomes, payoff.Complement(i.Outcome))
	if _, given := t.said[i]; !given && t.only == "" {
		t.said[i] = domain.One.Sub(price)
	}
}

// movesOfMarket returns what the marks of an exclusive market so far change of what is held
// there.
func (t *trial) movesOfMarket(market *Market, name string) moves {
	m, of := moves{}, market.Held
	if t.only != "" {
		of = nil
		if n, holds := market.heldBy(t.only); holds {
			of = market.Held[n : n+1]
		}
	}
	for _, held := range of {
		h := t.s.held(market, name, held.Bot)
		marks := t.s.prices(h.Outcomes, name, held.Bot)
		for n, outcome := range h.Outcomes {
			if price, said := t.said[domain.Instrument{Market: name, Outcome: outcome}]; said {
				marks[n] = payoff.Mark{Price: price, Known: true}
			}
		}
		m[held.Bot] = worth(h, marks).Sub(held.Value)
	}
	return m
}

// takesAsset is takes for an asset: what bots owe of it is bearable, what the treasury has is
// not bounded.
func (t *trial) takesAsset(m domain.Mark) bool {
	a := t.s.Assets[m.Asset]
	if a == nil {
		return true
	}
	price, owned, changes := domain.Zero, a.Balance, moves{}
	if a.Marked {
		price = a.Mark
	}
	for id := range t.s.derived.owing[m.Asset] {
		balance := t.s.Bots[id].Other[m.Asset]
		owned = owned.Sub(balance)
		changes[id] = t.s.bearable(balance.Mul(m.Price)).Sub(t.s.bearable(balance.Mul(price)))
	}
	_, ok := larger(domain.Zero, owned.Mul(m.Price).Sub(owned.Mul(price)), owned.Mul(price))
	changes[""] = owned.Mul(m.Price).Sub(owned.Mul(price))
	return ok && t.fits(changes)
}

// checkReach refuses a mark that would bring an amount out of range, now or once it has
// waited. It is judged alone: the others of the command are taken.
func (d *Decision) checkReach(t *trial, m domain.Mark) error {
	of := m.Asset
	if of == "" {
		of = domain.Instrument{Market: m.Market, Outcome: m.Outcome}.String()
	}
	switch {
	case largestAmount.Less(m.Price):
		return domain.Invalid("price", "of %s is above the bound of 10^12: check it", of)
	case !t.takes(m):
		return domain.Invalid("price", "of %s would bring what is held of it beyond the bound of 5 × 10^14: check it", of)
	}
	return nil
}
