package portfolio

import (
	"pets/domain"
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

// trial adds up by how much marks would move what the portfolio and its bots have, at most,
// if all of them were in force.
type trial struct {
	s       *State
	all     domain.Decimal
	bots    map[string]domain.Decimal
	markets map[string]bool // exclusive markets that are counted: what they pay has a bound at any marks
}

func (s *State) trial() *trial {
	return &trial{s: s, bots: map[string]domain.Decimal{}, markets: map[string]bool{}}
}

// takes reports whether a mark can be taken after those it took before.
func (t *trial) takes(m domain.Mark) bool {
	moves, all := t.moves(m)
	if all.IsZero() {
		return true
	}
	if !inReach(t.all.Add(all), t.s.Equity(), t.s.Cash, t.s.Value) {
		return false
	}
	for id, by := range moves {
		b := t.s.bot(id)
		if !inReach(t.bots[id].Add(by), b.Equity(), b.Cash, b.Value) {
			return false
		}
	}
	if m.Asset == "" && t.s.together(domain.Instrument{Market: m.Market, Outcome: m.Outcome}) != nil {
		t.markets[m.Market] = true
	}
	t.all = t.all.Add(all)
	for id, by := range moves {
		t.bots[id] = t.bots[id].Add(by)
	}
	return true
}

// inReach reports whether the figures of a scope stay in reach if its equity moves by as
// much.
func inReach(by domain.Decimal, figures ...domain.Decimal) bool {
	most := domain.Zero
	for _, f := range figures {
		most = most.Max(f.Abs())
	}
	return most.Add(by).Less(reach)
}

// moves returns by how much a mark moves what bots have, at most, and all of them with the
// treasury.
func (t *trial) moves(m domain.Mark) (bots map[string]domain.Decimal, all domain.Decimal) {
	bots = map[string]domain.Decimal{}
	add := func(bot string, by domain.Decimal) {
		bots[bot], all = bots[bot].Add(by), all.Add(by)
	}
	if m.Asset != "" {
		return t.movesOfAsset(m)
	}
	i := domain.Instrument{Market: m.Market, Outcome: m.Outcome}
	market := t.s.together(i)
	switch in := t.s.Instruments[i]; {
	case market != nil && t.markets[m.Market]:
	case market != nil:
		for _, in := range t.s.instrumentsOf(m.Market) {
			for _, h := range in.Holdings { // it pays between 0 and 1, or takes as much
				add(h.Bot, h.Quantity.Abs())
			}
		}
		for _, h := range market.Held {
			add(h.Bot, h.Value.Abs())
		}
	case in != nil:
		for _, h := range in.Holdings {
			add(h.Bot, h.Quantity.Mul(m.Price).Abs().Add(h.Value.Abs()))
		}
	}
	return bots, all
}

func (t *trial) movesOfAsset(m domain.Mark) (bots map[string]domain.Decimal, all domain.Decimal) {
	bots = map[string]domain.Decimal{}
	a := t.s.Assets[m.Asset]
	if a == nil {
		return bots, domain.Zero
	}
	prices := m.Price.Add(a.Mark)
	for id, b := range t.s.Bots {
		if balance := b.Other[m.Asset]; !balance.IsZero() {
			bots[id] = balance.Mul(prices).Abs()
		}
	}
	return bots, a.Balance.Mul(prices).Abs()
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
